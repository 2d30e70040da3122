import { describe, expect, it } from "vitest";
import { IcmpAnswers } from "../../../src/datapath/icmp-answers.ts";
import { COUNTER, createCounterBlock } from "../../../src/datapath/packet-counters.ts";
import { engineOptions } from "../../support/engine-bench.ts";
import { packetOf } from "../../support/packets.ts";
import { packet6Of } from "../../support/packets6.ts";

/** How many of 30 errors about packets of these sources, in turn, are allowed at one time. */
function allowed(sources: readonly string[], ask: "mayAnswerOwn" | "mayAnswerPeer" = "mayAnswerOwn"): number {
  const answers = new IcmpAnswers(engineOptions(8285, { hasIpv6: true }), createCounterBlock(), () => 0);
  const tries = Array.from({ length: 30 }, (_, i) => sources[i % sources.length] ?? "");
  return tries.filter((source) =>
    answers[ask](source.includes(":") ? packet6Of({ source }) : packetOf({ source })),
  ).length;
}

describe("IcmpAnswers", () => {
  it("limits by the low 10 bits of an IPv6 source", () => {
    expect(allowed(["2001:db8:0:1::5"])).toBe(10);
    expect(allowed(["2001:db8:0:1::5", "2001:db8:0:1:ffff:ffff:ffff:f805"])).toBe(10);
    expect(allowed(["2001:db8:0:1::5", "2001:db8:0:1::205"])).toBe(20);
    expect(allowed(["2001:db8:0:1::5", "2001:db8:0:1::205", "10.244.1.1"], "mayAnswerPeer")).toBe(30);
  });

  it("keeps the limits of own hosts and of peers' hosts apart, and counts what they hold back", () => {
    const counters = createCounterBlock();
    const answers = new IcmpAnswers(engineOptions(8285), counters, () => 0);
    for (let i = 0; i < 15; i++) answers.mayAnswerPeer(packetOf());
    expect(counters[COUNTER.icmpRateLimited]).toBe(5);
    expect(answers.mayAnswerOwn(packetOf())).toBe(true);
  });

  it("needs an IPv6 address to answer from where IPv6 is carried", () => {
    const options = { ...engineOptions(8285, { hasIpv6: true }), tunAddress6: null };
    expect(() => new IcmpAnswers(options, createCounterBlock(), () => 0)).toThrow(RangeError);
  });
});
