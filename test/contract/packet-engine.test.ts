import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, readdirSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import v8 from "node:v8";
import vm from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDgramEngine } from "../../src/datapath/dgram-engine.ts";
import type { OpenPacketEngine } from "../../src/datapath/packet-engine.ts";
import { openPacketPair } from "../../src/datapath/packet-io.ts";
import { EngineBench, UnderlayBench, engineOptions, tableOf, until } from "../support/engine-bench.ts";
import { ENGINE_ADDRESS, OWN_POD, PEERS, POD_A, SENDERS, UNOWNED } from "../support/packet-addresses.ts";
import { PACKET_TABLE } from "../support/packet-table.ts";
import { countingBytes, oneHopFurther, packetOf } from "../support/packets.ts";

const ENGINES: readonly { name: string; open: OpenPacketEngine }[] = [
  { name: "dgram", open: openDgramEngine },
];

const FLOOD = fileURLToPath(new URL("../support/flood.ts", import.meta.url));
const FLOOD_DATAGRAMS = 50_000;
/** What the sockets' and the collector's slack may hold; the flood carries 3 MB, and its buffers a multiple. */
const MAX_BUFFER_GROWTH = 4 * 2 ** 20;
/** Packets of one transfer, and how many of them are under way at once: less than any queue on the way holds. */
const TRANSFER_PACKETS = 2_000;
const TRANSFER_WINDOW = 32;

const TO_PEER_A = packetOf();
const FROM_PEER_A = packetOf({ source: POD_A, destination: OWN_POD });

describe.each(ENGINES)("packet engine $name", ({ open }) => {
  let underlay: UnderlayBench;
  beforeAll(async () => void (underlay = await UnderlayBench.open()));
  afterAll(() => underlay.close());

  for (const { name, from, packet, sourceCheck = "strict", outcome, counters, deliveries } of PACKET_TABLE) {
    it(`from ${from}: ${name} -> ${outcome}`, async () => {
      await using bench = await EngineBench.open(open, underlay, { sourceCheck });
      bench.put(from, packet);
      await bench.untilCounted(counters);
      expect(await bench.closeAndCollect()).toEqual(deliveries);
      expect(bench.counters()).toEqual(counters);
    });
  }

  it("goes by a new table from the next packet on", async () => {
    await using bench = await EngineBench.open(open, underlay);
    const [peerA, peerB] = PEERS;
    bench.engine.replaceTable(tableOf([{ ...peerA, underlayIp: peerB.underlayIp }]));
    bench.put("tun", TO_PEER_A);
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ encapSent: 1, decapDropStranger: 1 });
    bench.engine.replaceTable(tableOf([]));
    bench.put("tun", TO_PEER_A);
    bench.put("peerB", FROM_PEER_A);
    await bench.untilCounted({ encapDropNoPeer: 1, icmpSent: 1, decapDropStranger: 2 });
    bench.engine.replaceTable(tableOf([peerA]));
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ decapDelivered: 1 });

    const deliveries = await bench.closeAndCollect();
    expect(deliveries.map(({ to }) => to)).toEqual(["tun", "tun", "peerB"]);
    expect(deliveries[1]?.packet).toEqual(oneHopFurther(FROM_PEER_A));
  });

  it("knows no peer before it is given a table", async () => {
    await using bench = await EngineBench.open(open, underlay, { table: null });
    bench.put("tun", TO_PEER_A);
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ encapDropNoPeer: 1, decapDropStranger: 1 });
  });

  it("carries packets one after the other without mixing up their bytes", async () => {
    await using bench = await EngineBench.open(open, underlay);
    const outgoing = numberedPackets({});
    const incoming = numberedPackets({ source: POD_A, destination: OWN_POD });
    const arrived: Buffer[] = [];
    const delivered: Buffer[] = [];
    for (let start = 0; start < TRANSFER_PACKETS; start += TRANSFER_WINDOW) {
      for (const packet of outgoing.slice(start, start + TRANSFER_WINDOW)) bench.put("tun", packet);
      for (const packet of incoming.slice(start, start + TRANSFER_WINDOW)) bench.put("peerA", packet);
      const count = Math.min(start + TRANSFER_WINDOW, TRANSFER_PACKETS);
      await bench.untilCounted({ encapSent: count, decapDelivered: count });
      arrived.push(...(await underlay.takeDeliveries()).map(({ packet }) => packet));
      delivered.push(...bench.takeFromTun());
    }
    expect(Buffer.concat(arrived).equals(Buffer.concat(outgoing.map(oneHopFurther)))).toBe(true);
    expect(Buffer.concat(delivered).equals(Buffer.concat(incoming.map(oneHopFurther)))).toBe(true);
    expect(bench.counters()).toEqual({
      encapSent: TRANSFER_PACKETS,
      encapBytes: Buffer.concat(outgoing).length,
      decapDelivered: TRANSFER_PACKETS,
      decapBytes: Buffer.concat(incoming).length,
    });
  });

  it("sends some ICMP errors to one sender, and holds back the rest", async () => {
    await using bench = await EngineBench.open(open, underlay);
    const startMs = performance.now();
    for (let i = 0; i < 40; i++) bench.put("tun", packetOf({ destination: UNOWNED }));
    await bench.untilCounted({ encapDropNoPeer: 40 });
    const refills = Math.ceil((performance.now() - startMs) / 100);

    const { icmpSent, icmpRateLimited } = bench.engine.readCounters();
    expect(icmpSent + icmpRateLimited).toBe(40);
    expect(icmpSent).toBeGreaterThanOrEqual(10);
    expect(icmpSent).toBeLessThanOrEqual(10 + refills);
    expect(bench.takeFromTun()).toHaveLength(icmpSent);
  });

  it("answers a sender on this host though peers have used up the errors for peers", async () => {
    await using bench = await EngineBench.open(open, underlay);
    const expired = Array.from({ length: 400 }, (_, i) =>
      packetOf({ source: `10.244.${4 + (i & 3)}.${i >> 2}`, destination: OWN_POD, ttl: 1 }),
    );
    for (const packet of expired) bench.put("peerB", packet);
    await bench.untilCounted({ decapDropTtl: expired.length, icmpRateLimited: 1 });
    bench.put("tun", packetOf({ destination: UNOWNED }));
    await bench.untilCounted({ encapDropNoPeer: 1 });
    expect(bench.takeFromTun()).toHaveLength(1);
  });

  it("lives on when the kernel refuses a datagram", async () => {
    await using bench = await EngineBench.open(open, underlay);
    // Sending to a broadcast address takes SO_BROADCAST, which the socket does not have: EACCES.
    const unreachable = { subnet: "10.244.9.0/24", underlayIp: "127.255.255.255" };
    bench.engine.replaceTable(tableOf([...PEERS, unreachable]));
    bench.put("tun", packetOf({ destination: "10.244.9.1" }));
    bench.put("tun", TO_PEER_A);
    await bench.untilCounted({ encapDropSendFailed: 1, encapSent: 1 });
    expect(await bench.closeAndCollect()).toEqual([{ to: "peerA", packet: oneHopFurther(TO_PEER_A) }]);
  });

  it("drops what the TUN does not take, and goes on when it does", async () => {
    await using bench = await EngineBench.open(open, underlay);
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
    await using bench = await EngineBench.open(open, underlay);
    bench.closeFarEnd();
    await bench.untilCounted({ tunReadErrors: 1 });
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ decapDropWriteFailed: 1 });
    expect(bench.counters()).toEqual({ tunReadErrors: 1, decapDropWriteFailed: 1 });
  });

  it("leaves no descriptor and no handle behind when it is closed, even twice", async () => {
    await underlayAlone();
    const before = descriptors();
    const bench = await EngineBench.open(open, underlay);
    bench.put("tun", TO_PEER_A);
    bench.put("peerA", FROM_PEER_A);
    await bench.untilCounted({ encapSent: 1, decapDelivered: 1 });
    expect(descriptors()).toBe(before + 3); // both ends of the TUN, and the socket
    await Promise.all([bench.engine.close(), bench.engine.close()]);
    await bench.engine.close();
    expect(descriptors()).toBe(before + 1);
    bench.closeFarEnd();
    await underlayAlone();
  });

  it("closes both descriptors when it cannot open", async () => {
    await underlayAlone();
    const before = descriptors();
    const [tunFd, farFd] = openPacketPair();
    const [noSocketFd, otherFd] = openPacketPair();
    const opening = open({ ...engineOptions(underlay.port), tunFd, socketFd: noSocketFd });
    await expect(opening).rejects.toMatchObject({ code: "ERR_SOCKET_FAILED" });
    closeSync(farFd);
    closeSync(otherFd);
    expect(descriptors()).toBe(before);
    await underlayAlone();
  });

  it("serves its peers, keeps its memory and stops within a second under a stranger's flood", async () => {
    await using bench = await EngineBench.open(open, underlay);
    const buffersBefore = bufferBytes();
    const flood = spawn(process.execPath, [FLOOD, SENDERS.stranger, ENGINE_ADDRESS, String(underlay.port)]);
    const ended = once(flood, "exit");
    try {
      let fromTun = 0;
      await until(
        () => {
          bench.put("tun", TO_PEER_A);
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

  /** Waits until the only sockets are the bench's own: libuv closes a handle a turn after it is asked to. */
  async function underlayAlone(): Promise<void> {
    await until(
      () => process.getActiveResourcesInfo().filter((name) => name === "UDPWrap").length === 3,
      () => process.getActiveResourcesInfo().join(),
    );
  }
});

/** Packets of many lengths that differ in every byte's place. */
function numberedPackets(ends: { source?: string; destination?: string }): Buffer[] {
  return Array.from({ length: TRANSFER_PACKETS }, (_, i) => {
    const payload = Buffer.concat([Buffer.from([i >> 8, i & 255]), countingBytes((i * 37) % 1_400)]);
    return packetOf({ ...ends, identification: i, payload });
  });
}

/** Number of open descriptors. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Memory in buffers that somebody still holds. */
function bufferBytes(): number {
  v8.setFlagsFromString("--expose-gc");
  (vm.runInNewContext("gc") as () => void)();
  return process.memoryUsage().arrayBuffers;
}
