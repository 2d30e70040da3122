import { describe, expect, it } from "vitest";
import { formatHosts } from "../../../../src/bench/hosts/format-hosts.ts";
import { peersOf, runHostsBench } from "../../../../src/bench/hosts/hosts-bench.ts";
import type { HostRun, Path } from "../../../../src/bench/hosts/hosts-bench.ts";
import { latePing } from "../../../support/late-ping.ts";

const PEER = { subnet: "10.244.7.0/24", underlayIp: "192.0.2.2", overlayIp: "10.244.7.1" };

describe("peersOf", () => {
  const listed = {
    subnet: PEER.subnet,
    underlayIp: PEER.underlayIp,
    nodeId: null,
    isHeld: false,
    counters: null,
  };

  it("gives each peer with the gateway of its pods", () => {
    expect(peersOf({ ready: true, notReadyReason: null, peers: [listed] })).toEqual([PEER]);
  });

  it("says why there is none", () => {
    expect(() => peersOf({ ready: true, notReadyReason: null, peers: [] })).toThrow(
      "Cannot measure from this host: its agent knows no other host",
    );
    expect(() => peersOf({ ready: false, notReadyReason: "waiting for the lease", peers: [] })).toThrow(
      "Cannot measure from this host: waiting for the lease",
    );
  });
});

describe("runHostsBench", () => {
  it("counts no ping as lost whose answer comes late", async () => {
    const measured = { end: { sum_received: { bytes: 800, bits_per_second: 6400 } } };
    const runs = await runHostsBench({
      peers: [PEER],
      repeats: 1,
      secondsPerRun: 1,
      from: (_path, [program = "", ...args]) =>
        program === "ping"
          ? latePing({ which: 200, late: 90 }, args)
          : ["printf", "%s", JSON.stringify(measured)],
      onRun: () => undefined,
      signal: new AbortController().signal,
    });
    expect(runs).toMatchObject([
      { path: "underlay", bitsPerSecond: 6400, roundTripMs: 0.2, pings: 200, lostPings: 0 },
      { path: "overlay", pings: 200, lostPings: 0 },
    ]);
  });
});

describe("formatHosts", () => {
  it("shows medians, ratios of turns that followed each other, and every ping that was lost", () => {
    const run = (path: Path, gigabits: number, roundTripMs: number | null, lostPings: number): HostRun => ({
      peer: PEER,
      path,
      bitsPerSecond: gigabits * 1e9,
      roundTripMs,
      pings: 200,
      lostPings,
    });
    const runs = [
      run("underlay", 10, 0.05, 0),
      run("overlay", 5, 0.1, 1),
      run("underlay", 20, 0.06, 0),
      run("overlay", 16, null, 200),
      run("underlay", 30, 0.07, 0),
      run("overlay", 21, 0.2, 0),
    ];
    expect(formatHosts(runs)).toBe(
      [
        "PEER           PATH      TCP, 1 STREAM  OF UNDERLAY  ROUND TRIP  PINGS LOST",
        "10.244.7.0/24  underlay  20.00 Gbit/s                0.060 ms    0 of 600",
        "10.244.7.0/24  overlay   16.00 Gbit/s   70%          0.150 ms    201 of 600",
        "",
      ].join("\n"),
    );
  });
});
