import { describe, expect, it } from "vitest";
import { IcmpRateLimit } from "../../../src/datapath/icmp-rate-limit.ts";

/** How many of `tries` errors to these senders, in turn, are allowed at one time. */
function allowed(limit: IcmpRateLimit, senders: readonly number[], nowMs: number, tries: number): number {
  let count = 0;
  for (let i = 0; i < tries; i++) if (limit.allow(senders[i % senders.length] ?? 0, nowMs)) count += 1;
  return count;
}

const POD = 0x0af40105;
const MANY_PODS = Array.from({ length: 200 }, (_, i) => 0x0af40101 + i);

describe("IcmpRateLimit", () => {
  it("allows 10 at once to one sender, then one each 100 ms", () => {
    const limit = new IcmpRateLimit();
    expect(allowed(limit, [POD], 0, 50)).toBe(10);
    expect(allowed(limit, [POD], 99, 50)).toBe(0);
    expect(allowed(limit, [POD], 100, 50)).toBe(1);
    expect(allowed(limit, [POD], 350, 50)).toBe(2);
    expect(allowed(limit, [POD], 400, 50)).toBe(1);
  });

  it("saves up no more than 10", () => {
    const limit = new IcmpRateLimit();
    expect(allowed(limit, [POD], 0, 50)).toBe(10);
    expect(allowed(limit, [POD], 1_000, 50)).toBe(10);
    expect(allowed(limit, [POD], 1_000_000, 50)).toBe(10);
  });

  it("allows 10 each second over a minute of constant asking", () => {
    const limit = new IcmpRateLimit();
    let count = 0;
    for (let nowMs = 0; nowMs < 60_000; nowMs += 5) count += allowed(limit, [POD], nowMs, 1);
    expect(count).toBe(10 + 599);
  });

  it("leaves other senders theirs", () => {
    const limit = new IcmpRateLimit();
    expect(allowed(limit, [POD], 0, 50)).toBe(10);
    expect(allowed(limit, [POD + 1], 0, 50)).toBe(10);
    expect(allowed(limit, [POD + 1023], 0, 50)).toBe(10);
  });

  it("lets senders whose low 10 bits agree share, so that its memory does not grow", () => {
    const limit = new IcmpRateLimit();
    expect(allowed(limit, [POD, POD + 1024, POD + 2048], 0, 50)).toBe(10);
  });

  it("allows 100 at once in all, then one each 10 ms", () => {
    const limit = new IcmpRateLimit();
    expect(allowed(limit, MANY_PODS, 0, 400)).toBe(100);
    expect(allowed(limit, MANY_PODS, 9, 400)).toBe(0);
    expect(allowed(limit, MANY_PODS, 10, 400)).toBe(1);
    expect(allowed(limit, MANY_PODS, 1_010, 400)).toBe(100);
  });

  it("does not charge a sender for what the limit of all held back", () => {
    const limit = new IcmpRateLimit();
    expect(allowed(limit, MANY_PODS.slice(0, 100), 0, 100)).toBe(100);
    const late = MANY_PODS[150] ?? 0;
    expect(allowed(limit, [late], 0, 20)).toBe(0);
    expect(allowed(limit, [late], 100, 20)).toBe(10);
  });

  it("works from any start of the clock", () => {
    expect(allowed(new IcmpRateLimit(), [POD], 0, 50)).toBe(10);
    expect(allowed(new IcmpRateLimit(), [POD], 123_456_789.125, 50)).toBe(10);
  });
});
