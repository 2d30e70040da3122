/** Part of packet-engine.test.ts: the counters of each peer. */
import { expect, it } from "vitest";
import { EngineBench, tableOf } from "../../support/engine-bench.ts";
import type { EngineUnderTest, UnderlayBench } from "../../support/engine-bench.ts";
import { eventually } from "../../support/eventually.ts";
import { OWN_POD, OWN_POD6, PEERS, POD_A, POD_A6, POD_B } from "../../support/packet-addresses.ts";
import { countingBytes, packetOf } from "../../support/packets.ts";
import { packet6Of } from "../../support/packets6.ts";

const [PEER_A, PEER_B] = PEERS;
const TO_PEER_A = packetOf();
const FROM_PEER_A = packetOf({ source: POD_A, destination: OWN_POD });

/** What is counted for which peer, and how long. */
export function peerCounterTests(engine: EngineUnderTest, underlay: () => UnderlayBench): void {
  it("counts for each peer what went there, came from there, and was refused", async () => {
    await using bench = await EngineBench.open(engine, underlay(), { hasIpv6: true });
    const toA = [TO_PEER_A, packet6Of(), packetOf({ payload: countingBytes(9), padding: countingBytes(5) })];
    const fromA = [FROM_PEER_A, packet6Of({ source: POD_A6, destination: OWN_POD6 })];
    const refusedOfB = [Buffer.alloc(3), packetOf({ source: POD_A }), packetOf({ source: POD_B, ttl: 1 })];
    for (const packet of [...toA, packetOf({ destination: POD_B }), packetOf({ ttl: 1 })])
      bench.put("tun", packet);
    // What is sent is over before the error goes to peer B, which must not be taken for one of those packets.
    await bench.untilCounted({ encapSent: 4 });
    for (const packet of fromA) bench.put("peerA", packet);
    for (const packet of [...refusedOfB, packetOf({ source: POD_B, destination: OWN_POD, ttl: 1 })]) {
      bench.put("peerB", packet);
    }
    bench.put("stranger", FROM_PEER_A);
    // Two ICMP errors: one to the sender on this host, one through peer B, which is nobody's packet.
    await bench.untilCounted({
      encapSent: 4,
      decapDelivered: 2,
      decapDropTtl: 1,
      decapDropStranger: 1,
      icmpSent: 2,
    });
    const counted = (): object[] =>
      bench.engine.readPeerCounters().map(({ subnet, underlayIp, ...counters }) => ({
        subnet: subnet.toString(),
        underlayIp: underlayIp.toString(),
        ...counters,
      }));
    const none = { encapPackets: 0, encapBytes: 0, decapPackets: 0, decapBytes: 0, decapDropped: 0 };
    const peers = PEERS.map(({ subnet, underlayIp }) => ({ subnet, underlayIp, ...none }));
    const [a, b, c] = peers;
    await peersCount(counted, [
      { ...a, encapPackets: 3, encapBytes: 64 + 84 + 29, decapPackets: 2, decapBytes: 64 + 84 },
      { ...b, encapPackets: 1, encapBytes: 64, decapDropped: 4 },
      c,
    ]);
  });

  it("counts for a peer the frames that it refuses", async () => {
    await using bench = await EngineBench.open(engine, underlay(), { framing: "vxlan" });
    bench.put("peerC", Buffer.alloc(5));
    bench.put("peerC", Buffer.alloc(60));
    await bench.untilCounted({ decapDropShort: 1, decapDropFrameFlags: 1 });
    await peersCount(
      () => bench.engine.readPeerCounters().map(({ decapDropped }) => decapDropped),
      [0, 0, 2],
    );
  });

  it("counts on for a peer as long as its subnet and underlay address stay, and else anew", async () => {
    await using bench = await EngineBench.open(engine, underlay());
    const sentTo = (): number[] => bench.engine.readPeerCounters().map(({ encapPackets }) => encapPackets);
    bench.put("tun", TO_PEER_A);
    bench.put("tun", packetOf({ destination: POD_B }));
    await bench.untilCounted({ encapSent: 2 });
    await peersCount(sentTo, [1, 1, 0]);

    const before = { subnet: "10.244.0.0/24", underlayIp: "127.0.0.8" };
    const { subnet, underlayIp } = PEER_A; // without the subnet6 and the MAC it had
    bench.engine.replaceTable(tableOf([before, { subnet, underlayIp }, PEER_B]));
    expect(sentTo()).toEqual([0, 1, 1]);
    bench.put("tun", TO_PEER_A);
    await bench.untilCounted({ encapSent: 3 });
    await peersCount(sentTo, [0, 2, 1]);

    bench.engine.replaceTable(
      tableOf([
        { ...PEER_A, underlayIp: "127.0.0.8" },
        { ...PEER_B, subnet: "10.244.4.0/23" },
      ]),
    );
    expect(sentTo()).toEqual([0, 0]);
    bench.engine.replaceTable(tableOf(PEERS));
    expect(sentTo()).toEqual([0, 0, 0]);
  });
}

/** Waits until this is what is counted for the peers: an engine counts for itself a moment before. */
async function peersCount<T>(counted: () => readonly T[], wanted: readonly T[]): Promise<void> {
  await eventually(() => expect(counted()).toEqual(wanted));
}
