/** Part of packet-engine.test.ts: what an engine carries comes out as it went in, one hop further, in its order. */
import { expect, it } from "vitest";
import { EngineBench } from "../../support/engine-bench.ts";
import type { EngineUnderTest, UnderlayBench } from "../../support/engine-bench.ts";
import { NUMBERED_FLOWS, TRANSPORT_FLOWS, carried, sentByPeerA } from "../../support/engine-traffic.ts";
import type { Flow } from "../../support/engine-traffic.ts";

/** Packets of one transfer, and how many of them are under way at once: less than any queue on the way holds. */
const TRANSFER_PACKETS = 2_000;
const TRANSFER_WINDOW = 32;

/** Every kind of traffic both ways, each compared byte for byte. */
export function carryingTests(engine: EngineUnderTest, underlay: () => UnderlayBench): void {
  it.each(NUMBERED_FLOWS)("carries $name one after the other without mixing up their bytes", async (flow) => {
    await transfer(flow, TRANSFER_PACKETS);
  });

  it.each(TRANSPORT_FLOWS)("carries a flow bit for bit and in its order: $name", async (flow) => {
    await transfer(flow, TRANSFER_PACKETS / 4);
  });

  /** Sends `count` packets each way. They are one flow of each family, and come out in their order. */
  async function transfer(flow: Flow, count: number): Promise<void> {
    await using bench = await EngineBench.open(engine, underlay(), flow.options);
    const [outgoing = [], incoming = []] = [false, true].map((isIncoming) =>
      Array.from({ length: count }, (_, i) => flow.packetAt(i, count, isIncoming)),
    );
    const arrived: Buffer[] = [];
    const delivered: Buffer[] = [];
    for (let start = 0; start < count; start += TRANSFER_WINDOW) {
      const end = Math.min(start + TRANSFER_WINDOW, count);
      for (const packet of outgoing.slice(start, end)) bench.put("tun", packet);
      for (const packet of incoming.slice(start, end)) bench.put("peerA", sentByPeerA(packet, flow));
      await bench.untilCounted({ encapSent: end, decapDelivered: end });
      arrived.push(...(await underlay().takeDeliveries()).map(({ packet }) => packet));
      delivered.push(...bench.takeFromTun());
    }
    expectSame(
      arrived,
      outgoing.map((packet) => carried(packet, flow, false)),
    );
    expectSame(
      delivered,
      incoming.map((packet) => carried(packet, flow, true)),
    );
    expect(bench.engine.readCounters()).toMatchObject({
      encapSent: count,
      encapBytes: Buffer.concat(outgoing).length,
      decapDelivered: count,
      decapBytes: Buffer.concat(incoming).length,
    });
  }
}

/** Expects the same packets in the same order within each IP family, and shows the first that differs. */
function expectSame(actual: readonly Buffer[], expected: readonly Buffer[]): void {
  expect(actual).toHaveLength(expected.length);
  const [ours, theirs] = [actual, expected].map((packets) => packets.toSorted(byFamily));
  const at = ours?.findIndex((packet, i) => theirs?.[i]?.equals(packet) !== true) ?? -1;
  expect({ at, packet: ours?.[at]?.toString("hex") }).toEqual({ at, packet: theirs?.[at]?.toString("hex") });
}

/** The sort is stable. A frame's family is in its ethertype, a packet's in its first byte. */
function byFamily(a: Buffer, b: Buffer): number {
  return familyOf(a) - familyOf(b);
}

function familyOf(packet: Buffer): number {
  const first = packet.readUInt8(0);
  return first === 0x08 ? packet.readUInt8(22) >> 4 : first >> 4;
}
