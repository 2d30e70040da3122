import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../src/lab/eventually.ts";
import type { LabHost } from "../../src/lab/host/lab-host.ts";
import { openLab } from "../../src/lab/lab.ts";
import { identifyProcess } from "../../src/files/process-identity.ts";
import { runChecked, runCommand } from "../../src/lab/machine/run-command.ts";
import type { CommandResult } from "../../src/lab/machine/run-command.ts";
import type { LabRecord } from "../../src/lab/record/lab-record.ts";
import { endOf, printed } from "../support/child-output.ts";
import { makeLabFolder, namespacesOf, ownName, removeLabFolder } from "../support/lab-folder.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));
const LEAVES_NOTHING = fileURLToPath(new URL("../support/lab-leaves-nothing.ts", import.meta.url));

let stateDirectory: string;
beforeAll(() => (stateDirectory = makeLabFolder()));
afterAll(async () => await removeLabFolder(stateDirectory));

/** Kills a host's agent and starts another that the lab's record does not know; resolves with its pid. */
async function replaceByHand(host: LabHost): Promise<number> {
  const { runDirectory, stateDirectory: state, subnetFile } = host.files;
  host.agent.kill("SIGKILL");
  await host.agent.exited;
  const agent = host.start(
    [
      TWILL,
      "agent",
      "--etcd-endpoints=http://192.0.2.254:2379",
      `--run-dir=${runDirectory}`,
      `--state-dir=${state}`,
      `--subnet-file=${subnetFile}`,
    ],
    { stdio: "ignore" },
  );
  await eventually(async () => (await host.agent.readyz().catch(() => null))?.code === 200, {
    what: "see the agent ready",
    timeoutMs: 10_000,
  });
  return agent.pid ?? 0;
}

/** Puts lab.json into the form it had before hosts could differ. */
async function writeAsVersion1(path: string): Promise<void> {
  const record = JSON.parse(readFileSync(path, "utf8")) as LabRecord;
  const { backend: _backend, countsLeaks: _countsLeaks, ...rest } = record;
  const hosts = record.hosts.map(({ agentFlags: _agentFlags, ...host }) => host);
  await writeFile(path, JSON.stringify({ ...rest, version: 1, hosts }));
}

describe("twill lab", () => {
  it("leaves nothing behind: namespaces, processes, mounts, devices, files", async () => {
    const { stdout, stderr, code } = await runCommand(
      ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", process.execPath, LEAVES_NOTHING],
      { timeoutMs: 60_000 },
    );
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const { before, between, after } = JSON.parse(stdout) as Record<string, Record<string, string[]>>;
    expect(between?.namespaces).toHaveLength((before?.namespaces?.length ?? 0) + 5);
    expect(between?.processes?.length).toBe((before?.processes?.length ?? 0) + 3); // etcd and two agents
    expect(after).toEqual(before);
  });

  it("goes up, shows itself, runs commands and passes their exit codes on, and goes down", async () => {
    const name = ownName("cli");
    const named = ["--name", name, "--state-dir", stateDirectory];
    const files = join(stateDirectory, "files");
    await mkdir(files);
    const up = await runCommand([
      TWILL,
      "lab",
      "up",
      "--hosts",
      "2",
      "--subnet-file",
      join(files, "%h.env"),
      ...named,
    ]);
    try {
      expect(up).toMatchObject({ code: 0, stderr: "" });
      expect(up.stdout).toContain("| eth0 192.0.2.2        |");
      expect(readdirSync(files).sort()).toEqual(["h1.env", "h2.env"]);

      const status = await runChecked([TWILL, "lab", "status", ...named]);
      const [about, , h1, h2] = status.trimEnd().split("\n");
      expect(about).toMatch(
        /^Lab cli-[0-9]+: backend udp, overlay 10\.244\.0\.0\/16, underlay MTU 1500, etcd http:.* \(pid [0-9]+\)$/,
      );
      expect(h1).toMatch(
        /^h1 +192\.0\.2\.1 +10\.244\.[0-9]+\.0\/24 +[0-9]+ +ready +native +1 +h1p1 10\.244\.[0-9]+\.2$/,
      );
      const target = h2?.split(" ").at(-1) ?? "";
      const ping = await runCommand([
        TWILL,
        "lab",
        "exec",
        ...named,
        "h1p1",
        "--",
        "ping",
        "-c",
        "2",
        target,
      ]);
      expect(ping.stdout).toContain("2 packets transmitted, 2 received");
      expect(await runCommand([TWILL, "lab", "exec", ...named, "h1", "sh", "-c", "exit 7"])).toMatchObject({
        code: 7,
      });
      // The file system is the machine's: what removes an agent's files must find the lab's, not the machine's own.
      const asked = await runCommand([TWILL, "lab", "exec", ...named, "h1", "--", TWILL, "status"]);
      expect(asked.stdout).toMatch(/^ready +yes$/m);
      const cleanup = ["--", TWILL, "cleanup", "--dry-run"];
      const refused = await runCommand([TWILL, "lab", "exec", ...named, "h1", ...cleanup]);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain("Cannot clean up: the agent");
      const nowhere = await runCommand([TWILL, "lab", "exec", ...named, "h9", "--", "true"]);
      expect(nowhere).toMatchObject({
        code: 2,
        stderr: 'twill: Cannot run a command in "h9": the lab has h1, h2, h1p1, h2p1\n',
      });
    } finally {
      const down = await runCommand([TWILL, "lab", "down", ...named]);
      expect(down).toMatchObject({ code: 0, stdout: `Lab ${name} is taken down.\n` });
    }
    expect(readdirSync(files)).toEqual([]);
    const again = await runCommand([TWILL, "lab", "down", ...named]);
    expect(again).toMatchObject({ code: 0, stdout: `There is no lab ${name}.\n` });
  });

  it("takes over a lab of a version before, and takes it down", async () => {
    const name = ownName("old");
    const named = ["--name", name, "--state-dir", stateDirectory];
    await runChecked([TWILL, "lab", "up", "--hosts", "1", ...named]);
    try {
      await writeAsVersion1(join(stateDirectory, name, "lab.json"));
      const status = await runCommand([TWILL, "lab", "status", ...named]);
      expect(status).toMatchObject({ code: 0, stderr: "" });
      expect(status.stdout).toContain(`Lab ${name}: backend udp, `);
      expect(await runCommand([TWILL, "lab", "restart", ...named, "h1"])).toMatchObject({ code: 0 });
      expect(namespacesOf(name)).toHaveLength(3);
      await writeAsVersion1(join(stateDirectory, name, "lab.json"));
    } finally {
      expect(await runCommand([TWILL, "lab", "down", ...named])).toMatchObject({ code: 0 });
    }
    expect(namespacesOf(name)).toEqual([]);
    expect(existsSync(join(stateDirectory, name))).toBe(false);
  });

  it.each([
    [["--host-flags", "h9=--engine=dgram"], 'the agent of "h9": the lab has h1'],
    [["--host-flags", "h1=--engine=steam"], "Cannot use --engine"],
    [["--backend-option", "VNI=seven"], "is not JSON"],
    [["--datapath", "kernel"], "udp packets always go through the agent"],
  ])("refuses %j before it makes anything", async (options, message) => {
    const name = ownName("refused");
    const named = ["--name", name, "--state-dir", stateDirectory];
    const up = await runCommand([TWILL, "lab", "up", "--hosts", "1", ...options, ...named]);
    expect(up).toMatchObject({ code: 2, stdout: "" });
    expect(up.stderr).toContain(message);
    expect(namespacesOf(name)).toEqual([]);
  });

  it("says what failed, keeps the logs and leaves nothing else", async () => {
    const name = ownName("bad");
    const named = ["--name", name, "--state-dir", stateDirectory];
    const options = ["--hosts", "1", ...named];
    const fail = async (): Promise<CommandResult> =>
      await runCommand([TWILL, "lab", "up", ...options, "--underlay-mtu", "68"]); // no TUN is that small
    const first = await fail();
    expect(first.stdout).toMatch(/^1 host on the underlay bridge$/m);
    const up = await fail();
    expect(up.code).toBe(1);
    expect(up.stderr.split("\n").at(-2)).toBe(first.stderr.split("\n").at(-2)); // the newest logs only
    expect(up.stderr).toContain("has ended; its log ends with");
    const logs = /^The logs are kept in (.*)$/m.exec(up.stderr)?.[1] ?? "";
    expect(readdirSync(logs).sort()).toEqual(["etcd.log", "h1-agent.log"]);
    expect(readFileSync(join(logs, "h1-agent.log"), "utf8")).toContain("ERR_KERNEL_FAILED");
    expect(namespacesOf(name)).toEqual([]);
    expect(existsSync(join(stateDirectory, name))).toBe(false);
    await runChecked([TWILL, "lab", "down", ...named]);
    expect(existsSync(logs)).toBe(false);
  });

  it("goes up whole when nobody reads its output any more", async () => {
    const named = ["--name", ownName("piped"), "--state-dir", stateDirectory];
    const up = spawn(TWILL, ["lab", "up", "--hosts", "1", ...named], { stdio: ["ignore", "pipe", "pipe"] });
    const ended = endOf(up);
    await printed(up, "on the underlay bridge");
    up.stdout.destroy();
    try {
      expect(await ended).toBe(0);
      expect(await runCommand([TWILL, "lab", "status", ...named])).toMatchObject({ code: 0 });
    } finally {
      await runChecked([TWILL, "lab", "down", ...named]);
    }
  });

  it("shows an agent that ended, one that was started anew, and what only root may ask", async () => {
    const name = ownName("again");
    const named = ["--name", name, "--state-dir", stateDirectory];
    const lab = async (...args: string[]): Promise<CommandResult> =>
      await runCommand([TWILL, "lab", ...args]);
    await chmod(stateDirectory, 0o755);
    expect(await lab("up", "--hosts", "1", ...named)).toMatchObject({ code: 0 });
    try {
      await (await openLab(name, stateDirectory))?.host(0).agent.stop();
      expect(await lab("status", ...named)).toMatchObject({
        code: 1,
        stdout: expect.stringMatching(/^h1 .* ended /m) as string,
      });

      const restarted = await lab("restart", ...named, "h1");
      expect(restarted).toMatchObject({ code: 0, stderr: "" });
      const host = (await openLab(name, stateDirectory))?.host(0);
      const byHand = host === undefined ? 0 : await replaceByHand(host);
      const status = await lab("status", ...named);
      expect(status).toMatchObject({ code: 0 });
      expect(status.stdout).toMatch(new RegExp(`^h1 .* ${byHand} +ready `, "m"));
      expect(await lab("restart", ...named, "h1")).toMatchObject({ code: 0 });
      expect(identifyProcess(byHand)).toBeNull();

      const asNobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", TWILL, "lab"];
      const seen = await runCommand([...asNobody, "status", ...named]);
      expect(seen.stdout).toContain("unknown: its socket is open to root only");
      for (const command of [["down"], ["exec", "h1", "true"]]) {
        const [verb = "", ...rest] = command;
        const refused = await runCommand([...asNobody, verb, ...named, ...rest]);
        expect(refused).toMatchObject({
          code: 1,
          stderr:
            "twill: Cannot run a lab on this machine: it needs root, to make and enter network namespaces\n",
        });
      }
    } finally {
      await lab("down", ...named);
    }
  });

  it("takes an unfinished demo down when nobody reads its output any more", async () => {
    const demo = spawn(TWILL, ["lab", "demo", "--state-dir", stateDirectory], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = endOf(demo);
    await printed(demo, "on the underlay bridge");
    demo.stdout.destroy();
    expect(await ended).toBe(141);
    expect(namespacesOf(`demo-${demo.pid ?? 0}`)).toEqual([]);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("takes an unfinished demo down on %s", async (signal) => {
    const demo = spawn(TWILL, ["lab", "demo", "--state-dir", stateDirectory], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = endOf(demo);
    await printed(demo, "on the underlay bridge");
    demo.kill(signal);
    expect(await ended).toBe(signal === "SIGINT" ? 130 : 143);
    expect(namespacesOf(`demo-${demo.pid ?? 0}`)).toEqual([]);
    expect(readdirSync(stateDirectory).filter((name) => name.startsWith("demo-"))).toEqual([]);
  });
});
