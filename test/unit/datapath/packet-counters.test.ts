import { describe, expect, it } from "vitest";
import {
  COUNTER,
  addTo,
  createCounterBlock,
  readCounterBlock,
} from "../../../src/datapath/packet-counters.ts";

describe("COUNTER", () => {
  it("gives each counter a place of its own, without gaps", () => {
    const places = Object.values(COUNTER).toSorted((a, b) => a - b);
    expect(places).toEqual(places.map((_, i) => i));
    expect(createCounterBlock()).toHaveLength(places.length);
  });
});

describe("readCounterBlock", () => {
  it("reads every counter by its name, exact beyond 32 bits", () => {
    const block = createCounterBlock();
    addTo(block, COUNTER.encapSent, 1);
    addTo(block, COUNTER.encapSent, 2);
    addTo(block, COUNTER.socketErrors, 2 ** 40 + 1);
    const counters = readCounterBlock(block);
    expect(Object.keys(counters)).toEqual(Object.keys(COUNTER));
    expect(counters).toMatchObject({ encapSent: 3, socketErrors: 2 ** 40 + 1, decapDelivered: 0 });
  });

  it("gives a copy, which does not count on", () => {
    const block = createCounterBlock();
    const before = readCounterBlock(block);
    addTo(block, COUNTER.icmpSent, 1);
    expect(before.icmpSent).toBe(0);
  });
});
