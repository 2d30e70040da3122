import { describe, expect, it } from "vitest";
import { CounterSums } from "../../../src/datapath/counter-sums.ts";
import type { ForwardingEntry } from "../../../src/datapath/forwarding-table.ts";
import { COUNTER } from "../../../src/datapath/packet-counters.ts";
import type { PacketCounters } from "../../../src/datapath/packet-counters.ts";
import type { PacketEngine, PeerCounters } from "../../../src/datapath/packet-engine.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

/** Peer n, at the address 192.0.2.n. */
function entry(n: number): ForwardingEntry {
  return { subnet: prefixOf(`10.244.${n}.0/24`), underlayIp: addressOf(`192.0.2.${n}`) };
}

/** What an engine has counted: the first number of each peer is given, the others follow. */
function engine(
  encapSent: number,
  peers: readonly PeerCounters[] = [],
): Pick<PacketEngine, "readCounters" | "readPeerCounters"> {
  const zeros = Object.fromEntries(Object.keys(COUNTER).map((name) => [name, 0])) as PacketCounters;
  return { readCounters: () => ({ ...zeros, encapSent }), readPeerCounters: () => peers };
}

function counted(peer: ForwardingEntry, first: number): PeerCounters {
  return {
    subnet: peer.subnet,
    underlayIp: peer.underlayIp,
    encapPackets: first,
    encapBytes: first + 1,
    decapPackets: first + 2,
    decapBytes: first + 3,
    decapDropped: first + 4,
  };
}

describe("CounterSums", () => {
  it("is empty before the first engine, and an engine's own with it", () => {
    const sums = new CounterSums();
    expect(sums.read(null)).toEqual({});
    expect(sums.readPeers(null)).toEqual([]);
    expect(sums.read(engine(7))).toEqual(engine(7).readCounters());
    expect(sums.readPeers(engine(7, [counted(entry(1), 10)]))).toEqual([counted(entry(1), 10)]);
  });

  it("adds up engines that were closed and the one that is open", () => {
    const sums = new CounterSums();
    sums.add(engine(1, [counted(entry(1), 100)]));
    sums.add(engine(2, [counted(entry(1), 1000)]));
    expect(sums.read(null).encapSent).toBe(3);
    expect(sums.read(engine(4)).encapSent).toBe(7);
    const total = {
      ...entry(1),
      encapPackets: 1110,
      encapBytes: 1113,
      decapPackets: 1116,
      decapBytes: 1119,
      decapDropped: 1122,
    };
    expect(sums.readPeers(engine(4, [counted(entry(1), 10)]))).toEqual([total]);
    expect(sums.readPeers(null)).toMatchObject([{ encapPackets: 1100, decapDropped: 1108 }]);
  });

  it("tells of the open engine's peers alone, in its order, and of no other's counts", () => {
    const sums = new CounterSums();
    sums.add(engine(0, [counted(entry(1), 100), counted(entry(2), 200)]));
    const moved = { ...entry(2), underlayIp: addressOf("192.0.2.99") };
    const open = engine(0, [counted(entry(3), 3), counted(moved, 2), counted(entry(1), 1)]);
    expect(sums.readPeers(open)).toMatchObject([
      { encapPackets: 3 },
      { underlayIp: moved.underlayIp, encapPackets: 2 },
      { encapPackets: 101 },
    ]);
  });

  it("begins at zero for a peer that was away", () => {
    const sums = new CounterSums();
    sums.add(engine(5, [counted(entry(1), 100), counted(entry(2), 200)]));
    sums.keepPeers([entry(2), entry(3)]);
    sums.keepPeers([entry(1), entry(2)]);
    const open = engine(0, [counted(entry(1), 1), counted(entry(2), 2)]);
    expect(sums.readPeers(open)).toMatchObject([{ encapPackets: 1 }, { encapPackets: 202 }]);
    expect(sums.read(null).encapSent).toBe(5);
  });
});
