import { createServer } from "node:http";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AGENT_OPTION_LIST } from "../../../src/agent/options/agent-options.ts";
import { runProgram } from "../../../src/cli/program.ts";
import { VERSION } from "../../../src/cli/version.ts";

/** A stream that keeps what is written to it. */
class Kept extends Writable {
  text = "";

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const [out, err] = [new Kept(), new Kept()];
  const status = await runProgram(args, out, err);
  return { status, out: out.text, err: err.text };
}

describe("twill", () => {
  it("prints help and version on standard output with status 0", async () => {
    expect(await run("--version")).toEqual({ status: 0, out: `${VERSION}\n`, err: "" });
    const help = await run("--help");
    expect(help).toMatchObject({ status: 0, err: "" });
    for (const command of ["agent", "status", "cleanup", "pod", "lab"])
      expect(help.out).toMatch(new RegExp(`^  ${command} `, "m"));
  });

  it("refuses an unknown command and an unknown flag with status 2", async () => {
    expect(await run("agnet")).toMatchObject({
      status: 2,
      out: "",
      err: expect.stringContaining("agnet") as string,
    });
    expect(await run("--nonsense")).toMatchObject({ status: 2, out: "" });
  });

  it("refuses to run without a command, showing help", async () => {
    const { status, err } = await run();
    expect(status).toBe(2);
    expect(err).toContain("Usage: twill");
  });
});

describe("twill agent", () => {
  it("prints help with every flag and its variable", async () => {
    const { status, out } = await run("agent", "-help");
    expect(status).toBe(0);
    for (const { name, variable } of AGENT_OPTION_LIST) {
      expect(out).toContain(`--${name} <`);
      if (variable !== null) expect(out.replace(/\s+/g, " ")).toContain(variable);
    }
  });

  it.each([
    [["--nonsense"], 'Cannot use flag "--nonsense": there is no such flag, see --help'],
    [
      ["--healthz-prot", "1"],
      'Cannot use flag "--healthz-prot": there is no such flag, did you mean --healthz-port?',
    ],
    [["--healthz-port=x"], 'Cannot use --healthz-port: "x" is not -1 to 65535'],
    [["start"], 'Cannot use argument "start": only flags are expected'],
    [
      ["--kube-subnet-mgr"],
      "Cannot use --kube-subnet-mgr=true: twill keeps leases in etcd, not in Kubernetes",
    ],
  ])("refuses %j with status 2 and one line", async (args, message) => {
    expect(await run("agent", ...args)).toEqual({ status: 2, out: "", err: `twill: ${message}\n` });
  });
});

describe("twill lab", () => {
  it.each([
    [["up", "--backend", "ipsec"], "argument 'ipsec' is invalid. Allowed choices are udp"],
    [["up", "--network", "10.1.1.0/29"], "Network 10.1.1.0/29 is too small for subnets; use a /28 or wider"],
    [["exec", "h1", "--"], "Cannot run a command in the lab: none is given after --"],
    [
      ["exec", "h1", "--name", "x", "--", "true"],
      'Cannot run "--name" as a command: options of lab exec go before',
    ],
    [["exec", "h1", "--", "-x"], 'Cannot run "-x" as a command'],
  ])("refuses %j with status 2 before anything else", async (args, message) => {
    expect(await run("lab", ...args)).toEqual({
      status: 2,
      out: "",
      err: expect.stringContaining(message) as string,
    });
  });

  it("says in the help of exec where options go", async () => {
    const { out } = await run("lab", "exec", "--help");
    expect(out).toContain("[options] <where> -- <command...>");
    expect(out.replace(/\s+/g, " ")).toContain("options go before <where>");
  });
});

describe("twill pod", () => {
  it.each([
    [["run", "Web"], 'Cannot use "Web" as the name of a pod: need 1 to 63 lower-case letters'],
    [["run", "web", "--wait", "1"], 'Cannot run "--wait" as a command: options of twill pod go before'],
    [["run", "--wait", "soon", "web"], "need a number of seconds from 0 to 86400"],
    [["exec", "../web", "--", "true"], 'Cannot use "../web" as the name of a pod'],
    [["exec", "web", "--"], "Cannot run a command in the pod: none is given after --"],
    [["ip"], "missing required argument 'name'"],
  ])("refuses %j with status 2 before anything else", async (args, message) => {
    expect(await run("pod", ...args)).toEqual({
      status: 2,
      out: "",
      err: expect.stringContaining(message) as string,
    });
  });

  it("knows no pod where none was made", async () => {
    const directory = join(tmpdir(), "twill-no-pods");
    const pods = ["--pods-dir", directory];
    const missing = `twill: Cannot use pod web: there is none; twill pod run makes one, twill pod list shows all\n`;
    expect(await run("pod", "ip", ...pods, "web")).toEqual({ status: 1, out: "", err: missing });
    expect(await run("pod", "exec", ...pods, "web", "--", "true")).toMatchObject({ status: 1, err: missing });
    expect(await run("pod", "rm", ...pods, "web")).toEqual({
      status: 0,
      out: "There is no pod web.\n",
      err: "",
    });
    expect((await run("pod", "list", ...pods)).out).toBe("NAME  ADDRESS  STATE  PID  COMMAND\n");
  });

  it("refuses a record that it cannot trust, and shows the others", async () => {
    const directory = await mkdtemp(join(tmpdir(), "twill-pods-"));
    try {
      for (const name of ["bad", "file"]) await mkdir(join(directory, name));
      const recordFile = join(directory, "bad", "pod.json");
      await writeFile(recordFile, '{"name":"bad","process":{"pid":-1}}');
      await writeFile(join(directory, "neither"), "");
      const pods = ["--pods-dir", directory];
      expect(await run("pod", "ip", ...pods, "bad")).toEqual({
        status: 1,
        out: "",
        err: `twill: Cannot use pod bad: its record ${recordFile} is damaged; twill pod rm bad ends what is left of it\n`,
      });
      const { status, out } = await run("pod", "list", ...pods);
      expect(status).toBe(0);
      for (const name of ["bad", "neither"])
        expect(out).toMatch(new RegExp(`^${name} .* damaged .*twill pod rm ${name} ends`, "m"));
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe("twill status", () => {
  let runDir: string;

  beforeEach(async () => {
    runDir = await mkdtemp(join(tmpdir(), "twill-status-"));
  });

  afterEach(() => rm(runDir, { recursive: true }));

  it("says that no agent is running, with status 1", async () => {
    const { status, err } = await run("status", "--run-dir", runDir);
    expect(status).toBe(1);
    expect(err).toBe(
      `twill: Cannot ask the agent: no agent is running behind ${join(runDir, "agent.sock")}; --run-dir names another\n`,
    );
  });

  it("asks the agent whose run directory the environment names", async () => {
    vi.stubEnv("TWILL_RUN_DIR", runDir);
    const { err } = await run("status");
    vi.unstubAllEnvs();
    expect(err).toContain(`behind ${join(runDir, "agent.sock")};`);
  });

  it("prints the agent's answer as it is with --json", async () => {
    const server = createServer((request, response) => response.end(`{"path":"${request.url ?? ""}"}\n`));
    await new Promise<void>((resolve) => server.listen(join(runDir, "agent.sock"), resolve));
    expect(await run("status", "--json", `--run-dir=${runDir}`)).toEqual({
      status: 0,
      out: '{"path":"/status"}\n',
      err: "",
    });
    await new Promise((resolve) => server.close(resolve));
  });
});
