import { spawn } from "node:child_process";
import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import v8 from "node:v8";
import vm from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDgramEngine } from "../../src/datapath/dgram-engine.ts";
import { openNativeEngine } from "../../src/datapath/native-engine.ts";
import { EngineBench, UnderlayBench, tableOf, until } from "../support/engine-bench.ts";
import type { EngineUnderTest } from "../support/engine-bench.ts";
import { eventually } from "../support/eventually.ts";
import { ENGINE_ADDRESS, OWN_POD, PEERS, POD_A, SENDERS } from "../support/packet-addresses.ts";
import { framed, passed } from "../support/packet-case.ts";
import { PACKET_TABLE } from "../support/packet-table.ts";
import { countingBytes, oneHopFurther, packetOf } from "../support/packets.ts";
import { carryingTests } from "./packet-engine/carrying.ts";
import { closingTests } from "./packet-engine/closing.ts";
import { icmpTests } from "./packet-engine/icmp-limits.ts";
import { peerCounterTests } from "./packet-engine/peer-counting.ts";

const ENGINES: readonly EngineUnderTest[] = [
  { name: "dgram", open: openDgramEngine, tun: "bare" },
  { name: "native", open: openNativeEngine, tun: "bare" },
  { name: "native with offloads", open: openNativeEngine, tun: "vnet" },
];

const FLOOD = fileURLToPath(new URL("../support/flood.ts", import.meta.url));
const FLOOD_DATAGRAMS = 50_000;
/** What the sockets' and the collector's slack may hold; the flood carries 3 MB, and its buffers a multiple. */
const MAX_BUFFER_GROWTH = 4 * 2 ** 20;
const [PEER_A, PEER_B, PEER_C] = PEERS;
const TO_PEER_A = packetOf();
const FROM_PEER_A = packetOf({ source: POD_A, destination: OWN_POD });

describe.each(ENGINES)("packet engine $name", (engine) => {
  let underlay: UnderlayBench;
  beforeAll(async () => void (underlay = await UnderlayBench.open()));
  afterAll(() => underlay.close());

  carryingTests(engine, () => underlay);
  peerCounterTests(engine, () => underlay);
  icmpTests(engine, () => underlay);
  closingTests(engine, () => underlay);

  for (const packetCase of PACKET_TABLE) {
    const { name, from, packet, outcome, counters, deliveries } = packetCase;
    it(`from ${from}: ${name} -> ${outcome}`, async () => {
      await using bench = await EngineBench.open(engine, underlay, packetCase);
      bench.put(from, packet);
      await bench.untilCounted(counters);
      expect(await bench.closeAndCollect()).toEqual(deliveries);
      expect(bench.counters()).toEqual(counters);
    });
  }

  it("goes by a new table from the next packet on", async () => {
    await using bench = await EngineBench.open(engine, underlay);
    bench.engine.replaceTable(tableOf([{ ...PEER_A, underlayIp: PEER_B.underlayIp }]));
    bench.put("tun", TO_PEER_A);
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ encapSent: 1, decapDropStranger: 1 });
    bench.engine.replaceTable(tableOf([]));
    bench.put("tun", TO_PEER_A);
    bench.put("peerB", FROM_PEER_A);
    await bench.untilCounted({ encapDropNoPeer: 1, icmpSent: 1, decapDropStranger: 2 });
    bench.engine.replaceTable(tableOf([PEER_A]));
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ decapDelivered: 1 });

    const deliveries = await bench.closeAndCollect();
    expect(deliveries.map(({ to }) => to)).toEqual(["tun", "tun", "peerB"]);
    expect(deliveries[1]?.packet).toEqual(oneHopFurther(FROM_PEER_A));
  });

  it("knows no peer before it is given a table", async () => {
    await using bench = await EngineBench.open(engine, underlay, { table: null });
    bench.put("tun", TO_PEER_A);
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ encapDropNoPeer: 1, decapDropStranger: 1 });
  });

  it("refuses a table whose entry has no MAC where frames need one, and goes on with the old one", async () => {
    await using bench = await EngineBench.open(engine, underlay, { framing: "vxlan" });
    const { vtepMac: _, ...withoutMac } = PEER_B;
    expect(() => {
      bench.engine.replaceTable(tableOf([PEER_C, withoutMac]));
    }).toThrow(RangeError);
    const { deliveries, counters } = framed(passed({ name: "", from: "tun", packet: TO_PEER_A }, "peerA"));
    bench.put("tun", TO_PEER_A);
    await bench.untilCounted(counters);
    const sentTo = (): number[] => bench.engine.readPeerCounters().map(({ encapPackets }) => encapPackets);
    await eventually(() => expect(sentTo()).toEqual([1, 0, 0])); // counted for the engine a moment before
    expect(await bench.closeAndCollect()).toEqual(deliveries);
  });

  it("lives on when the kernel refuses a datagram", async () => {
    await using bench = await EngineBench.open(engine, underlay);
    // Sending to a broadcast address takes SO_BROADCAST, which the socket does not have: EACCES.
    const unreachable = { subnet: "10.244.9.0/24", underlayIp: "127.255.255.255" };
    bench.engine.replaceTable(tableOf([...PEERS, unreachable]));
    bench.put("tun", packetOf({ destination: "10.244.9.1" }));
    bench.put("tun", TO_PEER_A);
    await bench.untilCounted({ encapDropSendFailed: 1, encapSent: 1 });
    expect(await bench.closeAndCollect()).toEqual([{ to: "peerA", packet: oneHopFurther(TO_PEER_A) }]);
  });

  it("drops what the TUN does not take, and goes on when it does", async () => {
    await using bench = await EngineBench.open(engine, underlay);
    const large = packetOf({ source: POD_A, destination: OWN_POD, payload: countingBytes(20_000) });
    do {
      bench.put("peerA", large);
      await turn();
    } while (bench.engine.readCounters().decapDropWriteBusy === 0);
    expect(bench.takeFromTun()).toContainEqual(oneHopFurther(large));
    bench.put("peerA", FROM_PEER_A);
    const arrived: Buffer[] = [];
    await until(
      () => arrived.push(...bench.takeFromTun()) > 0 && arrived.at(-1)?.length === FROM_PEER_A.length,
      () => "the next packet did not reach the TUN",
    );
    expect(arrived.at(-1)).toEqual(oneHopFurther(FROM_PEER_A));
  });

  it("counts packets for a TUN that is gone", async () => {
    await using bench = await EngineBench.open(engine, underlay);
    bench.closeFarEnd();
    await bench.untilCounted({ tunReadErrors: 1 });
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ decapDropWriteFailed: 1 });
    expect(bench.counters()).toEqual({ tunReadErrors: 1, decapDropWriteFailed: 1 });
    // The checks did not refuse it.
    expect(bench.engine.readPeerCounters()[0]).toMatchObject({ decapPackets: 0, decapDropped: 0 });
  });

  it("serves its peers, keeps its memory and stops within a second under a stranger's flood", async () => {
    await using bench = await EngineBench.open(engine, underlay);
    const buffersBefore = bufferBytes();
    const flood = spawn(process.execPath, [FLOOD, SENDERS.stranger, ENGINE_ADDRESS, String(underlay.port)]);
    const ended = once(flood, "exit");
    try {
      let fromTun = 0;
      await until(
        () => {
          bench.tryPut("tun", TO_PEER_A); // more of them than it reads under a flood may be too many
          bench.put("peerA", FROM_PEER_A);
          fromTun += bench.takeFromTun().length;
          const { decapDropStranger, encapSent } = bench.engine.readCounters();
          return decapDropStranger >= FLOOD_DATAGRAMS && encapSent >= 50 && fromTun >= 50;
        },
        () => JSON.stringify(bench.counters()),
      );
      expect(bufferBytes() - buffersBefore).toBeLessThan(MAX_BUFFER_GROWTH);
      const startMs = performance.now();
      await bench.engine.close();
      expect(performance.now() - startMs).toBeLessThan(1_000);
      expect(flood.exitCode).toBeNull(); // it floods to the end
    } finally {
      flood.kill();
      await ended;
    }
  });
});

/** Memory in buffers that somebody still holds. */
function bufferBytes(): number {
  v8.setFlagsFromString("--expose-gc");
  (vm.runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}
