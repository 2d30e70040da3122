import { describe, expect, it } from "vitest";
import type {
  BenchResult,
  LatencyRun,
  RowMeasurement,
  TcpRun,
  UdpRun,
} from "../../../../src/bench/bench-result.ts";
import type { Drop } from "../../../../src/bench/count/stretch.ts";
import {
  formatProgress,
  formatResult,
  unaccountedIn,
  warnWhenBusy,
} from "../../../../src/bench/show/format-result.ts";

function tcp(gbits: number): TcpRun {
  return {
    bitsPerSecond: gbits * 1e9,
    receivedBytes: (gbits * 5e9) / 8,
    retransmits: 0,
    cpuSeconds: 10,
    stealSeconds: 0,
    cpuSecondsPerGbit: 2 / gbits,
    ledger: null,
  };
}

function udp(kpps: number, drops: readonly Drop[] = [], unaccounted = 0): UdpRun {
  const received = kpps * 5000;
  const sent = received + drops.reduce((sum, drop) => sum + drop.packets, 0) + unaccounted;
  const ledger = { sent, received, drops, unaccounted };
  return { payloadBytes: 64, seconds: 5, deliveredPerSecond: kpps * 1000, ledger };
}

function measured(row: string, repeat: number, gbits: number, small = udp(gbits * 10)): RowMeasurement {
  return {
    row,
    repeat,
    overlayMtu: row === "routes" ? 1500 : 1472,
    datapath: null,
    tcpOneStream: tcp(gbits),
    tcpFourStreams: tcp(gbits * 2),
    udpSmall: small,
    udpFull: udp(gbits * 5),
    latency: latency(100 / gbits),
  };
}

function latency(averageMicros: number): LatencyRun {
  return { sent: 1000, answered: 1000, averageMicros, p50Micros: 50, p99Micros: 200, ledger: null };
}

/** A measurement in which one kind of traffic was wanted. */
function onlyFourStreams(row: string, repeat: number, gbits: number): RowMeasurement {
  const wanted = measured(row, repeat, gbits / 2);
  return { ...wanted, tcpOneStream: null, udpSmall: null, udpFull: null, latency: null };
}

function resultOf(rows: readonly string[], measurements: readonly RowMeasurement[]): BenchResult {
  return {
    schema: "twill-bench-datapath",
    schemaVersion: 2,
    startedAt: "2026-01-02T03:04:05.000Z",
    machine: {
      kernel: "6.18.0",
      architecture: "x64",
      cores: 2,
      cpuModel: "Model",
      node: "v24.0.0",
      iperf3: "iperf 3.12",
      receiveBufferBytes: 212_992,
      loadAverage1Min: 0.1,
      commit: null,
    },
    commandLine: [],
    settings: {
      repeats: 2,
      secondsPerRun: 5,
      traffic: ["tcp1", "tcp4", "udp", "latency"],
      queues: null,
      rows: rows.map((name) => ({
        name,
        kind: "agent",
        backend: "udp",
        flags: [],
        program: null,
        reference: name === "vxlan" ? "native" : null,
      })),
    },
    measurements,
  };
}

/** The lines of the table with this title. */
function tableOf(text: string, title: string): string[] {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.startsWith(title));
  return lines.slice(start, lines.indexOf("", start));
}

describe("formatResult", () => {
  it("shows median, spread and the ratio within the same repeat", () => {
    const measurements = [
      measured("routes", 1, 10),
      measured("native", 1, 3),
      measured("native", 2, 8),
      measured("routes", 2, 20),
    ];
    const table = tableOf(formatResult(resultOf(["routes", "native"], measurements)), "TCP, 1 stream");
    expect(table).toEqual([
      "TCP, 1 stream (Gbit/s)  median  spread          / routes",
      "  routes                15.00   10.00 to 20.00  1.00",
      "  native                5.50    3.00 to 8.00    0.350",
    ]);
  });

  it("compares with flannel where it was measured, and with nothing where nothing can be compared", () => {
    const measurements = [measured("native", 1, 8), measured("flannel", 1, 0.5)];
    const both = tableOf(formatResult(resultOf(["native", "flannel"], measurements)), "TCP, 1 stream");
    expect(both[0]).toMatch(/spread +\/ flannel$/);
    expect(both[1]).toMatch(/16\.0$/);
    const alone = tableOf(formatResult(resultOf(["native"], [measured("native", 1, 8)])), "TCP, 1 stream");
    expect(alone[0]).toMatch(/spread$/);
  });

  it("compares a row with the one that does the same work, where that was measured", () => {
    const measurements = [
      measured("native", 1, 10),
      measured("vxlan", 1, 9),
      measured("native", 2, 8),
      measured("vxlan", 2, 6),
    ];
    const table = tableOf(formatResult(resultOf(["native", "vxlan"], measurements)), "TCP, 1 stream");
    expect(table).toEqual([
      "TCP, 1 stream (Gbit/s)  median  spread         / its like",
      "  native                9.00    8.00 to 10.00",
      "  vxlan                 7.50    6.00 to 9.00   0.825 of native",
    ]);
    const alone = tableOf(formatResult(resultOf(["vxlan"], [measured("vxlan", 1, 9)])), "TCP, 1 stream");
    expect(alone[0]).toMatch(/spread$/);
  });

  it("says which rows had which MTU", () => {
    const measurements = ["native", "routes", "dgram"].map((name) => measured(name, 1, 1));
    const [, mtus] = formatResult(resultOf(["native", "routes", "dgram"], measurements)).split("\n");
    expect(mtus).toBe("overlay MTU 1472: native, dgram; 1500: routes");
  });

  it("has no table for what was not measured", () => {
    const measurements = [onlyFourStreams("native", 1, 8), onlyFourStreams("other", 1, 4)];
    const [, ...tables] = formatResult(resultOf(["native", "other"], measurements)).split("\n\n");
    expect(tables).toEqual([
      expect.stringMatching(/^TCP, 4 streams .*\n {2}native .*\n {2}other .*$/),
      expect.stringMatching(/^CPU, TCP 4 streams .*\n {2}native .*\n {2}other .*$/),
      "",
    ]);
  });

  it("shows every ledger", () => {
    const small = udp(2, [{ where: "sender's host: queue of the TUN", packets: 7 }], 3);
    const text = formatResult(resultOf(["dgram"], [measured("dgram", 1, 1, small)]));
    expect(tableOf(text, "UDP, datagrams").map((line) => line.trim().replace(/ {2,}/g, " | "))).toEqual([
      "UDP, datagrams | repeat | size | sent | received | unaccounted | dropped",
      "dgram | 1 | 64 bytes | 10010 | 10000 | 3 | 7 sender's host: queue of the TUN",
      "dgram | 1 | full size | 25000 | 25000 | 0 | none",
    ]);
  });

  it("tells of unanswered pings and of packets missing in the tunnel, and only then", () => {
    const good = measured("dgram", 1, 1);
    expect(formatResult(resultOf(["dgram"], [good]))).toMatch(/none\n\n$/);

    const ledger = { sent: 5, received: 2, drops: [], unaccounted: 3 };
    const bad = {
      ...measured("dgram", 2, 1),
      tcpOneStream: { ...tcp(1), ledger },
      latency: { ...latency(100), answered: 998, ledger },
    };
    expect(formatResult(resultOf(["dgram"], [good, bad]))).toMatch(
      /none\n\ndgram, repeat 2: 2 of 1000 pings without an answer\ndgram, repeat 2: 6 packets of TCP or ping unaccounted for in the tunnel\n$/,
    );
  });
});

describe("warnWhenBusy", () => {
  it.each([
    [0.49, ""],
    [0.5, /^The machine is busy: load 0\.5 on 2 cores\. .*\n$/],
  ])("for a load of %d on two cores says %s", (loadAverage1Min, expected) => {
    const { machine } = resultOf([], []);
    expect(warnWhenBusy({ ...machine, loadAverage1Min })).toMatch(expected === "" ? /^$/ : expected);
  });
});

describe("formatProgress", () => {
  it("is one line", () => {
    expect(formatProgress(measured("native", 2, 4), 3)).toBe(
      "repeat 2 of 3, native: TCP 4.00 Gbit/s, 40.0 kpps, 25 us\n",
    );
  });

  it("tells what was measured", () => {
    expect(formatProgress(onlyFourStreams("native", 1, 8), 1)).toBe(
      "repeat 1 of 1, native: TCP 8.00 Gbit/s\n",
    );
    const pings = { ...onlyFourStreams("native", 1, 8), tcpFourStreams: null, latency: latency(31) };
    expect(formatProgress(pings, 1)).toBe("repeat 1 of 1, native: 31 us\n");
  });
});

describe("unaccountedIn", () => {
  it("adds up both UDP runs of every measurement", () => {
    const [a, b] = [measured("a", 1, 1, udp(1, [], 2)), measured("b", 1, 1)];
    expect(unaccountedIn({ measurements: [a, { ...b, udpFull: udp(1, [], 5) }] })).toBe(7);
    expect(unaccountedIn({ measurements: [b] })).toBe(0);
    expect(unaccountedIn({ measurements: [onlyFourStreams("c", 1, 1)] })).toBe(0);
  });
});
