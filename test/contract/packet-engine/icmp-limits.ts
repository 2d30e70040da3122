/** Part of packet-engine.test.ts: how many of its drops an engine answers. */
import { expect, it } from "vitest";
import { EngineBench, until } from "../../support/engine-bench.ts";
import type { EngineUnderTest, UnderlayBench } from "../../support/engine-bench.ts";
import { OWN_POD, OWN_POD6, UNOWNED, UNOWNED6 } from "../../support/packet-addresses.ts";
import { packetOf } from "../../support/packets.ts";
import { packet6Of } from "../../support/packets6.ts";

/** Floods of packets that would be answered. */
export function icmpTests(engine: EngineUnderTest, underlay: () => UnderlayBench): void {
  it("sends some ICMP errors to one sender, and holds back the rest", async () => {
    await using bench = await EngineBench.open(engine, underlay());
    const startMs = performance.now();
    for (let i = 0; i < 40; i++) bench.put("tun", packetOf({ destination: UNOWNED }));
    await untilAnswered(bench, 40);
    const refills = Math.ceil((performance.now() - startMs) / 100);

    const { icmpSent, icmpRateLimited } = bench.engine.readCounters();
    expect(icmpSent + icmpRateLimited).toBe(40);
    expect(bench.counters().encapDropNoPeer).toBe(40);
    expect(icmpSent).toBeGreaterThanOrEqual(10);
    expect(icmpSent).toBeLessThanOrEqual(10 + refills);
    expect(bench.takeFromTun()).toHaveLength(icmpSent);
  });

  it.each([
    { other: "2001:db8:0:1:aaaa:bbbb:cccc:1005", senders: 1 },
    { other: "2001:db8:0:1::205", senders: 2 },
  ])("holds back ICMPv6 errors by the low 10 bits of the sender: $other", async ({ other, senders }) => {
    await using bench = await EngineBench.open(engine, underlay(), { hasIpv6: true });
    const startMs = performance.now();
    for (let i = 0; i < 60; i++) {
      const source = i % 2 === 0 ? OWN_POD6 : other;
      bench.put("tun", packet6Of({ source, destination: UNOWNED6 }));
    }
    await untilAnswered(bench, 60);
    const refills = Math.ceil((performance.now() - startMs) / 100);

    const { icmpSent, icmpRateLimited } = bench.engine.readCounters();
    expect(icmpSent + icmpRateLimited).toBe(60);
    expect(bench.counters().encapDropNoPeer).toBe(60);
    expect(icmpSent).toBeGreaterThanOrEqual(10 * senders);
    expect(icmpSent).toBeLessThanOrEqual((10 + refills) * senders);
    expect(bench.takeFromTun()).toHaveLength(icmpSent);
  });

  it("answers a sender on this host though peers have used up the errors for peers", async () => {
    await using bench = await EngineBench.open(engine, underlay());
    const expired = Array.from({ length: 400 }, (_, i) =>
      packetOf({ source: `10.244.${4 + (i & 3)}.${i >> 2}`, destination: OWN_POD, ttl: 1 }),
    );
    for (const packet of expired) bench.put("peerB", packet);
    await bench.untilCounted({ decapDropTtl: expired.length, icmpRateLimited: 1 });
    bench.put("tun", packetOf({ destination: UNOWNED }));
    await bench.untilCounted({ encapDropNoPeer: 1 });
    await bench.engine.close(); // what it has counted it answers before it ends
    expect(bench.takeFromTun()).toHaveLength(1);
  });
}

/** Waits until so many drops were answered, or held back; an engine counts the drop itself a moment before. */
async function untilAnswered(bench: EngineBench, drops: number): Promise<void> {
  const answered = (): number => {
    const { icmpSent, icmpRateLimited } = bench.engine.readCounters();
    return icmpSent + icmpRateLimited;
  };
  await until(
    () => answered() >= drops,
    () => `${drops} answered, but ${JSON.stringify(bench.counters())}`,
  );
}
