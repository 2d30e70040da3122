/** A long-running command is stopped while etcd, or the name server on the way to it, says nothing at all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ProcessEnd } from "../../src/lab/machine/lab-process.ts";
import { NamesProcess } from "../support/docker/names-process.ts";
import { ScriptedEngine } from "../support/docker/scripted-engine.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabHost } from "../support/lab.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));
/** Gives the program a resolv.conf of its own: the file system is the machine's. */
const WITH_RESOLVER = 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"';
/** What the commands promise; one that takes longer ends itself with status 1 and a fatal line. */
const STOPS_WITHIN_MS = 2_000;
/** Nobody has this address, and its neighbour entry keeps the kernel from finding that out. */
const SILENT_IP = "192.0.2.99";
/** Takes connections and never reads: what a frozen server looks like. */
const SILENT_SERVER = 'require("net").createServer().listen(2379, "127.0.0.1")';

/** What is stopped. */
interface Stoppable {
  stop(): Promise<ProcessEnd>;
  logLines(): Promise<string[]>;
}

let lab: Lab;
let host: LabHost;
let folder: string;
let dockerSocket: string;
const engine = new ScriptedEngine();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "twill-silent-"));
  dockerSocket = join(folder, "docker.sock");
  lab = await createLab({ hosts: 1 });
  host = lab.host(0);
  await host.agent.stop();
  await host.execChecked(["ip", "link", "set", "lo", "up"]);
  const neighbour = ["lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"];
  await host.execChecked(["ip", "neighbour", "replace", SILENT_IP, ...neighbour]);
  host.start([process.execPath, "--eval", SILENT_SERVER], { stdio: "ignore" });
  await engine.start(dockerSocket);
});
afterAll(async () => {
  await engine.stop();
  await lab[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

type Start = (flags: readonly string[], program?: string[]) => Promise<Stoppable>;

const COMMANDS: (readonly [string, Start])[] = [
  ["an agent", (flags, program) => host.startAgent(flags, program && { program })],
  ["docker-names", (flags, program) => NamesProcess.start(lab, host, { dockerSocket, flags, program })],
];

describe.each(COMMANDS)("%s that is stopped ends with status 0", (_name, start) => {
  /** Starts it, waits until the kernel shows what it waits for, and stops it. */
  async function stopDuring(endpoint: string, socketFilter: string, program?: string[]): Promise<void> {
    const stopped = await start([`--etcd-endpoints=${endpoint}`], program);
    await eventually(
      async () => (await host.execChecked(["ss", "-Hntu", ...socketFilter.split(" ")])) !== "",
    );
    await stopInTime(stopped, STOPS_WITHIN_MS);
  }

  it("while it connects to an address that drops packets", async () => {
    await stopDuring(`http://${SILENT_IP}:2379`, "state syn-sent");
  });

  it.each(["http", "https"])(
    "while an etcd at %s:// takes the connection and says nothing",
    async (scheme) => {
      await stopDuring(`${scheme}://127.0.0.1:2379`, "state established dport = 2379");
    },
  );

  it("while a name server does not answer for etcd's name", async () => {
    const resolver = join(folder, "resolv.conf");
    writeFileSync(resolver, `nameserver ${SILENT_IP}\n`);
    const program = ["unshare", "--mount", "sh", "-ec", WITH_RESOLVER, "sh", resolver, TWILL];
    await stopDuring("http://etcd.example:2379", `dst ${SILENT_IP}`, program);
  });
});

describe("stopped while the etcd that it follows is frozen", () => {
  it("an agent ends with status 0", async () => {
    const agent = await host.startAgent();
    await agent.waitReady(10_000);
    await stopFrozen(agent, STOPS_WITHIN_MS);
  });

  it("docker-names ends with status 0, and says that its names expire", async () => {
    engine.runs("web");
    const names = await NamesProcess.start(lab, host, { dockerSocket });
    await eventually(async () => (await lab.etcd.etcdctl(["get", "--prefix", "/"])).includes("/names/"));
    await stopFrozen(names, STOPS_WITHIN_MS);
    expect((await names.logLines()).join()).toContain("Cannot remove the names from etcd, they expire");
  });
});

async function stopFrozen(stopped: Stoppable, withinMs: number): Promise<void> {
  lab.etcd.pause();
  try {
    await stopInTime(stopped, withinMs);
  } finally {
    lab.etcd.resume();
  }
}

async function stopInTime(stopped: Stoppable, withinMs: number): Promise<void> {
  const linesBefore = (await stopped.logLines()).length;
  const startMs = performance.now();
  expect(await stopped.stop()).toEqual({ code: 0, signal: null });
  expect(performance.now() - startMs).toBeLessThan(withinMs);
  const lines = (await stopped.logLines()).slice(linesBefore);
  expect(lines.filter((line) => line.includes('"Stopped"'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('"level":"fatal"'))).toEqual([]);
}
