import { describe, expect, it } from "vitest";
import {
  PeerCounterBlocks,
  countDecap,
  countDecapDropped,
  countEncap,
  createPeerCounterBlock,
} from "../../../src/datapath/peer-counter-block.ts";
import { PEER_COUNTER } from "../../../src/datapath/peer-counters.ts";
import { tableOf } from "../../support/engine-bench.ts";

const PEER_A = { subnet: "10.244.2.0/24", underlayIp: "192.0.2.2" };
const PEER_B = { subnet: "10.244.4.0/22", underlayIp: "192.0.2.3" };

describe("PeerCounterBlocks", () => {
  it("reads each peer by name, in the order of the table, and gives a copy", () => {
    const blocks = new PeerCounterBlocks(tableOf([PEER_B, PEER_A]), null);
    countEncap(blocks.blockOf(0), 2 ** 40 + 1);
    countDecap(blocks.blockOf(1), 100);
    countDecap(blocks.blockOf(1), 20);
    countDecapDropped(blocks.blockOf(1));
    const read = blocks.read();
    countEncap(blocks.blockOf(0), 1);
    expect(
      read.map(({ subnet, underlayIp, ...counters }) => [subnet.toString(), underlayIp.toString(), counters]),
    ).toEqual([
      [
        PEER_A.subnet,
        PEER_A.underlayIp,
        { encapPackets: 1, encapBytes: 2 ** 40 + 1, decapPackets: 0, decapBytes: 0, decapDropped: 0 },
      ],
      [
        PEER_B.subnet,
        PEER_B.underlayIp,
        { encapPackets: 0, encapBytes: 0, decapPackets: 2, decapBytes: 120, decapDropped: 1 },
      ],
    ]);
  });

  it("follows a peer from table to table, and counts for it what was on its way at the change", () => {
    const first = new PeerCounterBlocks(tableOf([PEER_A, PEER_B]), null);
    const underWay = first.blockOf(1);
    const second = new PeerCounterBlocks(tableOf([PEER_B]), first);
    countEncap(underWay, 64);
    expect(second.read()[0]).toMatchObject({ encapPackets: 1 });
    const third = new PeerCounterBlocks(tableOf([PEER_A, PEER_B]), second);
    expect(third.read().map(({ encapPackets }) => encapPackets)).toEqual([0, 1]);
  });

  it("has nothing for a peer that is in no table", () => {
    expect(() => new PeerCounterBlocks(tableOf([PEER_A]), null).blockOf(1)).toThrow(RangeError);
    expect(createPeerCounterBlock()).toHaveLength(Object.keys(PEER_COUNTER).length);
  });
});
