import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clearHost } from "../../src/bench/carry/clear-host.ts";
import type { BenchResult, RowMeasurement, UdpRun } from "../../src/bench/bench-result.ts";
import type { LabHost } from "../../src/lab/host/lab-host.ts";
import { runChecked, runCommand } from "../../src/lab/machine/run-command.ts";
import type { CommandResult } from "../../src/lab/machine/run-command.ts";
import { listLabs } from "../../src/lab/record/lab-store.ts";
import { endOf } from "../support/child-output.ts";
import { createLab } from "../support/lab.ts";
import { makeLabFolder, namespacesOf, removeLabFolder } from "../support/lab-folder.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));
const STAND_IN = fileURLToPath(new URL("../support/flanneld-stand-in", import.meta.url));
const SHORT = ["--repeats", "1", "--seconds", "1"];

/** Takes one of ten datagrams that cross the underlay's bridge, but none of the first, and tells nobody. */
const THIEF = `table bridge thief {
  chain forward {
    type filter hook forward priority 0
    meta l4proto udp meta length > 64 numgen random mod 10 == 0 drop
  }
}
`;

let stateDirectory: string;
beforeAll(() => (stateDirectory = makeLabFolder()));
afterAll(async () => await removeLabFolder(stateDirectory));

function bench(...options: readonly string[]): string[] {
  return [TWILL, "bench", "datapath", "--state-dir", stateDirectory, ...SHORT, ...options];
}

async function run(...options: readonly string[]): Promise<CommandResult> {
  return await runCommand(bench(...options), { timeoutMs: 100_000 });
}

/** A bench whose lab stands, before its first run. */
async function startBench(...options: readonly string[]): Promise<{ child: ChildProcess; lab: string }> {
  const [program = "", ...args] = bench(...options);
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let progress = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (piece: string) => {
      progress += piece;
      if (progress.includes("pods connected")) resolve();
    });
    child.once("close", () => reject(new Error(`It ended after ${progress}`)));
  });
  return { child, lab: `bench-${child.pid ?? 0}` };
}

/** Drops in the ledger by their place, with what arrived and what is missing: together, all that was sent. */
function sumOf({ ledger }: UdpRun): number {
  const dropped = ledger.drops.reduce((sum, drop) => sum + drop.packets, 0);
  return ledger.received + dropped + ledger.unaccounted;
}

function readResult(path: string): BenchResult {
  return JSON.parse(readFileSync(path, "utf8")) as BenchResult;
}

function expectWholeMeasurement(measurement: RowMeasurement): void {
  const { overlayMtu, tcpOneStream, tcpFourStreams, udpSmall, udpFull, latency } = measurement;
  for (const tcp of [tcpOneStream, tcpFourStreams]) {
    expect(tcp?.receivedBytes).toBeGreaterThan(0);
    expect(tcp?.cpuSeconds).toBeGreaterThan(0);
  }
  expect([udpSmall?.payloadBytes, udpFull?.payloadBytes]).toEqual([64, overlayMtu - 28]);
  for (const udp of [udpSmall, udpFull]) {
    expect(udp?.ledger.received).toBeGreaterThan(1);
    expect(udp?.ledger.unaccounted).toBe(0);
    expect(udp && sumOf(udp)).toBe(udp?.ledger.sent);
  }
  expect(latency).toMatchObject({ sent: 1000, answered: 1000 });
  expect(latency?.p50Micros).toBeLessThanOrEqual(latency?.p99Micros ?? 0);
}

/** What another row would meet: devices, routes and firewall rules of a host, but not counters. */
async function traces(host: LabHost): Promise<string> {
  const commands = ["ip -br link", "ip route show table all", "nft -s list ruleset"];
  const shown = await Promise.all(commands.map((command) => host.execChecked(command.split(" "))));
  return shown.join("");
}

describe("clearHost", () => {
  it.each([
    ["udp", []],
    ["vxlan", []],
    ["vxlan", ["--datapath=kernel"]],
    ["host-gw", []],
  ])("leaves nothing of agents with %s and %j, and the pods connected", async (Type, agentFlags) => {
    await using lab = await createLab({
      stateDirectory,
      hosts: 2,
      agentFlags,
      networkConfig: { Backend: { Type } },
      countLeaks: false,
    });
    const h1 = lab.host(0);
    const [pod, network] = [h1.pod, lab.network.split("/")[0] ?? ""];
    for (const { agent } of lab.hosts) await agent.stop();
    const before = await traces(h1);
    expect(before).toMatch(/proto 84/);
    await clearHost(h1);
    const after = await traces(h1);
    expect(after).not.toMatch(/flannel|proto 84|^table /m);
    expect(after).not.toContain(`${network}/`);
    expect(after).toMatch(/^br-pods /m);
    expect(await pod.ping(await h1.gateway())).toMatchObject({ lost: 0 });
    await clearHost(h1); // once more is no error
    expect(await traces(h1)).toBe(after);
  });
});

describe("twill bench datapath", () => {
  it("accounts for every datagram, and leaves facts and values in a file", async () => {
    const jsonPath = join(stateDirectory, "new", "result.json");
    const { stdout, stderr, code } = await run("--rows", "routes,dgram", "--json", jsonPath);
    expect(stderr).toContain("repeat 1 of 1, dgram: TCP ");
    expect(code).toBe(0);

    const result = readResult(jsonPath);
    expect(result).toMatchObject({
      schema: "twill-bench-datapath",
      schemaVersion: 2,
      settings: {
        repeats: 1,
        secondsPerRun: 1,
        traffic: ["tcp1", "tcp4", "udp", "latency"],
      },
    });
    expect(result.machine.cores).toBeGreaterThan(0);
    expect(result.machine.receiveBufferBytes).toBe(
      Number(readFileSync("/proc/sys/net/core/rmem_default", "utf8")),
    );
    expect(result.measurements.map(({ row, repeat }) => `${row} ${repeat}`)).toEqual(["routes 1", "dgram 1"]);
    expect(result.measurements.map(({ overlayMtu }) => overlayMtu)).toEqual([1500, 1472]);
    expect(result.measurements.map(({ datapath }) => datapath?.engine ?? null)).toEqual([null, "dgram"]);
    result.measurements.forEach(expectWholeMeasurement);
    expect(stdout).toMatch(/^TCP, 1 stream \(Gbit\/s\) +median +spread +\/ routes$/m);
  });

  it("measures vxlan in three ways and host-gw, each with its MTU, and compares them", async () => {
    const jsonPath = join(stateDirectory, "backends.json");
    const rows = "vxlan,flannel-vxlan,vxlan-kernel,host-gw,flannel-host-gw,routes";
    const { stdout, code } = await run("--rows", rows, "--only", "udp,latency", "--json", jsonPath);
    expect(code).toBe(0);
    const { measurements } = readResult(jsonPath);
    expect(measurements.map(({ row, overlayMtu }) => `${row} ${overlayMtu}`)).toEqual([
      "vxlan 1450",
      "flannel-vxlan 1450",
      "vxlan-kernel 1450",
      "host-gw 1500",
      "flannel-host-gw 1500",
      "routes 1500",
    ]);
    const engines = measurements.map(({ datapath }) => datapath?.engine ?? null);
    expect(engines).toEqual(["native", null, null, null, null, null]);
    for (const { overlayMtu, udpSmall, udpFull, latency } of measurements) {
      expect([udpSmall?.payloadBytes, udpFull?.payloadBytes]).toEqual([64, overlayMtu - 28]);
      for (const udp of [udpSmall, udpFull]) {
        expect(udp?.ledger.received).toBeGreaterThan(1);
        expect(udp?.ledger.unaccounted).toBe(0);
        expect(udp && sumOf(udp)).toBe(udp?.ledger.sent);
      }
      expect(latency).toMatchObject({ sent: 1000, answered: 1000 });
    }
    expect(stdout).toMatch(/^ {2}vxlan-kernel .* of flannel-vxlan$/m);
    expect(stdout).toMatch(/^ {2}host-gw .* of flannel-host-gw$/m);
  });

  it("measures another build of twill, and flanneld", async () => {
    const jsonPath = join(stateDirectory, "others.json");
    const { stdout, code } = await run(
      ...["--rows", "other,flannel", "--program", `other=${TWILL}`, "--flanneld", STAND_IN],
      ...["--json", jsonPath],
    );
    expect(code).toBe(0);
    const { measurements } = readResult(jsonPath);
    expect(measurements.map(({ row }) => row)).toEqual(["other", "flannel"]);
    measurements.forEach(expectWholeMeasurement);
    expect(stdout).toMatch(/^TCP, 1 stream \(Gbit\/s\) +median +spread +\/ flannel$/m);
  });

  it("exits with 1, its file written, when datagrams vanish without a counter", async () => {
    const jsonPath = join(stateDirectory, "thief.json");
    const { child, lab } = await startBench("--rows", "routes", "--only", "udp", "--json", jsonPath);
    const ended = endOf(child);
    try {
      await runChecked(["ip", "netns", "exec", `twl-${lab}-net`, "nft", "-f", "-"], { stdin: THIEF });
      expect(await ended).toBe(1);
    } finally {
      child.kill("SIGINT");
      await ended;
    }
    const [measurement] = readResult(jsonPath).measurements;
    expect(measurement?.udpSmall?.ledger.unaccounted).toBeGreaterThan(0);
    expect(measurement?.tcpOneStream).toBeNull();
  });

  it("prints what it has measured where the file cannot take it", async () => {
    const options = ["--rows", "routes", "--only", "latency", "--json", "/dev/full"];
    const { code, stdout, stderr } = await run(...options);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^round trip, p50 \(us\) .*\n {2}routes +[0-9]/m);
    expect(stdout).not.toContain("TCP");
    expect(stderr).toContain("Cannot write /dev/full: ENOSPC");
  });

  it("says what flanneld said when it does not stay, and takes the lab down", async () => {
    const { code, stderr } = await run("--rows", "flannel", "--flanneld", "/bin/false");
    expect(code).toBe(1);
    expect(stderr).toMatch(/Cannot see flanneld ready on h1: process [0-9]+ has ended; its log ends with/);
    expect(await listLabs(stateDirectory)).toEqual([]);
  });

  it("takes the lab down when it is interrupted", async () => {
    const { child, lab } = await startBench("--rows", "routes");
    const ended = endOf(child);
    expect(namespacesOf(lab)).toHaveLength(5);
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(namespacesOf(lab)).toEqual([]);
  });

  it.each([
    [["--rows", "nonsense"], 'Cannot use --rows "nonsense"'],
    [["--flanneld", "/nonsense"], "Cannot measure /nonsense: there is no such file"],
    [["--repeats", "0"], "need a whole number from 1 to 9999"],
    [["--queues", "17"], "need a whole number from 1 to 16"],
    [["--json", "/dev/null/result.json"], "Cannot write /dev/null/result.json: EEXIST"],
    [["--only", "tcp1,tcp2"], 'Cannot use --only "tcp2": it takes tcp1, tcp4, udp, latency'],
  ])("refuses %j before it makes anything", async (options, message) => {
    const { code, stderr } = await run(...options);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("hosts on the underlay");
  });
});
