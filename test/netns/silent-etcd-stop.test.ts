/** An agent is stopped while etcd, or the name server on the way to it, says nothing at all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabHost } from "../support/lab.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));
/** Gives the program a resolv.conf of its own: the file system is the machine's. */
const WITH_RESOLVER = 'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"';
/** Below the 2 s that the agent promises, for a busy machine. */
const STOPS_WITHIN_MS = 1_500;
/** Nobody has this address, and its neighbour entry keeps the kernel from finding that out. */
const SILENT_IP = "192.0.2.99";
/** Takes connections and never reads: what a frozen server looks like. */
const SILENT_SERVER = 'require("net").createServer().listen(2379, "127.0.0.1")';

let lab: Lab;
let host: LabHost;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "twill-silent-"));
  lab = await createLab({ hosts: 1 });
  host = lab.host(0);
  await host.agent.stop();
  await host.execChecked(["ip", "link", "set", "lo", "up"]);
  const neighbour = ["lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent"];
  await host.execChecked(["ip", "neighbour", "replace", SILENT_IP, ...neighbour]);
  host.start([process.execPath, "--eval", SILENT_SERVER], { stdio: "ignore" });
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** Starts an agent, waits until the kernel shows what it waits for, and stops it. */
async function stopDuring(endpoint: string, socketFilter: string, program?: string[]): Promise<void> {
  const linesBefore = (await host.agent.logLines()).length;
  const agent = await host.startAgent([`--etcd-endpoints=${endpoint}`], program && { program });
  await eventually(async () => (await host.execChecked(["ss", "-Hntu", ...socketFilter.split(" ")])) !== "");
  const startMs = performance.now();
  expect(await agent.stop()).toEqual({ code: 0, signal: null });
  expect(performance.now() - startMs).toBeLessThan(STOPS_WITHIN_MS);
  const lines = (await agent.logLines()).slice(linesBefore);
  expect(lines.filter((line) => line.includes('"Stopped"'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('"level":"fatal"'))).toEqual([]);
}

describe("an agent that is stopped ends with status 0", () => {
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

  it("while the etcd that it follows is frozen", async () => {
    const agent = await host.startAgent();
    await agent.waitReady(10_000);
    lab.etcd.pause();
    try {
      expect(await agent.stop()).toEqual({ code: 0, signal: null });
    } finally {
      lab.etcd.resume();
    }
  });
});
