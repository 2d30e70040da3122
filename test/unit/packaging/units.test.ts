/** Holds the unit files of packaging/ against the program: every path, flag and variable in them is one that it has. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { AGENT_OPTIONS, AGENT_OPTION_LIST } from "../../../src/agent/options/agent-options.ts";
import { runProgram } from "../../../src/cli/program.ts";
import { readDockerOptsRequest } from "../../../src/docker/opts/docker-opts-request.ts";
import { formatDockerOpts } from "../../../src/docker/opts/format-docker-opts.ts";
import { DEFAULT_SUBNET_FILE } from "../../../src/files/read-subnet-file.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const PACKAGING = join(ROOT, "packaging");
/** Where the documentation has the program linked. */
const PROGRAM = "/usr/local/bin/twill";

const files = readdirSync(PACKAGING, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(PACKAGING.length + 1));

function read(file: string): string {
  return readFileSync(join(PACKAGING, file), "utf8");
}

/** Values of a setting in a unit file, in order. */
function settings(file: string, name: string): string[] {
  return [...read(file).matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map((match) => match[1] ?? "");
}

/** Command lines of ours in a unit file, as words behind the program. */
function ownCommands(file: string): string[][] {
  const lines = [...settings(file, "ExecStart"), ...settings(file, "ExecStartPre")];
  return lines
    .map((line) => line.split(" "))
    .flatMap(([program, ...args]) => (program === PROGRAM ? [args] : []));
}

/** What `twill COMMAND --help` prints; null when there is no such command, and the help is that of the program. */
async function help(command: string): Promise<string | null> {
  let text = "";
  const keep = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  const status = await runProgram([command, "--help"], keep, keep);
  return status === 0 && text.startsWith(`Usage: twill ${command} `) ? text : null;
}

describe("packaging/systemd", () => {
  const commands = files.flatMap((file) => ownCommands(file).map((args) => ({ file, args })));

  it("runs the program in each service", () => {
    const services = files.filter((file) => file.endsWith(".service") || file.endsWith(".conf"));
    expect(services).toHaveLength(5);
    expect(new Set(commands.map(({ file }) => file))).toEqual(new Set(services));
  });

  it.each(commands)(
    "has commands and flags of the program: $file $args",
    async ({ args: [command = "", ...args] }) => {
      const text = await help(command);
      const flags = args.filter((arg) => arg.startsWith("-")).map((arg) => arg.split("=")[0] ?? "");
      for (const flag of flags) expect(text).toMatch(new RegExp(`^ +${flag}\\b`, "m"));
    },
  );

  it("keeps the agent's files where the agent has them", () => {
    const { runDir, stateDir } = AGENT_OPTIONS;
    const directories = settings("systemd/twill.service", "RuntimeDirectory").join(" ").split(" ");
    expect(directories.map((name) => `/run/${name}`)).toEqual([runDir.fallback, "/run/flannel"]);
    expect(DEFAULT_SUBNET_FILE).toBe("/run/flannel/subnet.env");
    expect(settings("systemd/twill.service", "StateDirectory")).toEqual([
      stateDir.fallback.replace("/var/lib/", ""),
    ]);
    expect(settings("systemd/twill-docker-check.path", "PathChanged")).toEqual([DEFAULT_SUBNET_FILE]);
  });

  it("lets iptables-legacy have its socket, its lock and its module", () => {
    const unit = "systemd/twill.service";
    expect(settings(unit, "CapabilityBoundingSet")).toEqual(["CAP_NET_ADMIN CAP_NET_RAW"]);
    expect(settings(unit, "ExecStartPre")).toEqual(["+/usr/bin/touch /run/xtables.lock"]); // outside of the sandbox
    expect(settings(unit, "ProtectKernelModules")).toEqual(["yes"]);
    for (const name of ["Wants", "After"])
      expect(settings(unit, name).join(" ").split(" ")).toContain("modprobe@ip_tables.service");
  });

  it("gives dockerd what docker-opts writes", () => {
    const dropIn = "systemd/docker.service.d/twill-bip.conf";
    const request = readDockerOptsRequest(ownCommands(dropIn)[0]?.slice(1) ?? []);
    if ("problem" in request) throw new Error("the arguments of docker-opts are refused");
    expect(request).toMatchObject({ requiresLease: true, hasIndividual: true, hasCombined: false });
    expect(settings(dropIn, "EnvironmentFile")).toEqual([`-${request.outputFile}`]);
    const values = { FLANNEL_SUBNET: "10.244.7.1/24", FLANNEL_MTU: "1450", FLANNEL_IPMASQ: "true" };
    const written = formatDockerOpts(new Map(Object.entries(values)), request);
    const names = [...written.matchAll(/^(\w+)=/gm)].map((match) => `$${match[1] ?? ""}`);
    const used = settings(dropIn, "ExecStart")[1]
      ?.split(" ")
      .filter((word) => word.startsWith("$DOCKER_OPT_"));
    expect(used?.sort()).toEqual(names);
  });

  it("is understood by systemd, every setting of it", () => {
    const directory = mkdtempSync(join(tmpdir(), "twill-units-"));
    try {
      const units = files.filter((file) => /^systemd\/[^/]+\.(service|socket|path)$/.test(file));
      const copies = units.map((file) => join(directory, file.slice("systemd/".length)));
      for (const [i, copy] of copies.entries())
        writeFileSync(copy, read(units[i] ?? "").replaceAll(PROGRAM, process.execPath)); // verify looks for the program
      const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...copies], {
        encoding: "utf8",
      });
      expect(`${stdout}${stderr}`).toBe("");
      expect(status).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("gives up neither the plugin nor its socket, however often it ends", () => {
    expect(settings("systemd/twill-docker.service", "StartLimitIntervalSec")).toEqual(["0"]);
    expect(settings("systemd/twill-docker.service", "Restart")).toEqual(["always"]);
    expect(settings("systemd/twill-docker.socket", "TriggerLimitIntervalSec")).toEqual(["0"]);
  });

  it("has the plugin's socket where Docker looks, with its service's name, before Docker", () => {
    const socket = "systemd/twill-docker.socket";
    expect(settings(socket, "ListenStream")).toEqual(["/run/docker/plugins/twill.sock"]);
    expect(settings(socket, "Before")).toEqual(["docker.service"]);
    expect(settings("systemd/twill-docker.service", "Requires")).toEqual(["twill-docker.socket"]);
    const [command] = ownCommands("systemd/twill-docker.service");
    const [state] = settings("systemd/twill-docker.service", "StateDirectory");
    expect(command).toContain(`--state-dir=/var/lib/${state ?? ""}`);
  });
});

describe("packaging/default/twill", () => {
  it("names variables of the agent, and those of the flags that etcd's TLS and user need", () => {
    const names = [...read("default/twill").matchAll(/^#?([A-Z_]+)=/gm)].map((match) => match[1] ?? "");
    expect(names.length).toBeGreaterThan(5);
    const known = new Set(AGENT_OPTION_LIST.map(({ variable }) => variable));
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    expect(settings("systemd/twill.service", "EnvironmentFile")).toEqual(["-/etc/default/twill"]);
  });
});

describe("docs/docker.md and docs/cni.md", () => {
  it("say of each file of packaging what it is for", () => {
    const pages = ["docs/docker.md", "docs/cni.md"];
    const text = pages.map((page) => readFileSync(join(ROOT, page), "utf8")).join("");
    expect(files.filter((file) => !text.includes(`packaging/${file}`))).toEqual([]);
  });
});
