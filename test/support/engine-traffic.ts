/** Traffic for packet engines: flows whose every packet is told from the others, and a tally of both ways. */
import type { PacketCounters } from "../../src/datapath/packet-counters.ts";
import type { BenchOptions, EngineBench, UnderlayBench } from "./engine-bench.ts";
import { until } from "./engine-bench.ts";
import { frameOf } from "./frames.ts";
import { EXTERNAL, OWN_POD, OWN_POD6, POD_A, POD_A6, POD_B, POD_B6, VTEP_MACS } from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import { countingBytes, oneHopFurther, packetOf } from "./packets.ts";
import { oneHopFurther6, packet6Of } from "./packets6.ts";
import { TCP_FLAG, tcpPacket6Of, tcpPacketOf, udpPacket6Of, udpPacketOf } from "./transport.ts";

/** Packets of one kind, made for any two ends, and what the engine must be told to carry them. */
export interface Flow {
  readonly name: string;
  readonly options: BenchOptions;
  /** Packet `index` of `count`, from our pod to peer A's, or with `isIncoming` the other way. */
  readonly packetAt: (index: number, count: number, isIncoming: boolean) => Buffer;
}

const ENDS = [{}, { source: POD_A, destination: OWN_POD }] as const;
const ENDS6 = [{}, { source: POD_A6, destination: OWN_POD6 }] as const;

/** Packets of many lengths that differ in every byte's place. */
export const NUMBERED_FLOWS: readonly Flow[] = [
  { name: "IPv4 packets", options: {}, packetAt: numbered },
  { name: "IPv6 packets", options: { hasIpv6: true }, packetAt: numbered6 },
  {
    name: "packets of both families in VXLAN frames",
    options: { hasIpv6: true, framing: "vxlan" },
    packetAt: (i, count, isIncoming) => (i % 2 === 0 ? numbered : numbered6)(i, count, isIncoming),
  },
];

/** One flow each with right checksums, as an engine may put them together for the TUN and take them apart again. */
export const TRANSPORT_FLOWS: readonly Flow[] = (["bare", "vxlan"] as const).flatMap((framing) => [
  {
    name: `TCP over IPv4, ${framing}`,
    options: { framing },
    packetAt: (i, count, isIncoming) =>
      tcpPacketOf(segmentAt(i, count), { ...ENDS[+isIncoming as 0 | 1], identification: i % 65_536 }),
  },
  {
    name: `TCP over IPv6, ${framing}`,
    options: { framing, hasIpv6: true },
    packetAt: (i, count, isIncoming) => tcpPacket6Of(segmentAt(i, count), ENDS6[+isIncoming as 0 | 1]),
  },
  {
    name: `UDP over IPv4, ${framing}`,
    options: { framing },
    packetAt: (i, _count, isIncoming) =>
      udpPacketOf(payloadAt(i), { ...ENDS[+isIncoming as 0 | 1], identification: i % 65_536 }),
  },
  {
    name: `UDP over IPv6, ${framing}`,
    options: { framing, hasIpv6: true },
    packetAt: (i, _count, isIncoming) => udpPacket6Of(payloadAt(i), ENDS6[+isIncoming as 0 | 1]),
  },
]);

/** What of a flow's packet is found on the other side: at peer A, or at our TUN. */
export function carried(packet: Buffer, { options }: Flow, isIncoming: boolean): Buffer {
  const next = packet.readUInt8(0) >= 0x60 ? oneHopFurther6(packet) : oneHopFurther(packet);
  if (isIncoming || options.framing !== "vxlan") return next;
  return frameOf(next, { destinationMac: VTEP_MACS.peerA, sourceMac: VTEP_MACS.own });
}

/** What peer A sends for a flow's packet to reach us. */
export function sentByPeerA(packet: Buffer, { options }: Flow): Buffer {
  return options.framing === "vxlan" ? frameOf(packet) : packet;
}

/** What was put in on both sides of an engine that carries IPv6, and what came out. */
export class Tally {
  readonly #bench: EngineBench;
  readonly #underlay: UnderlayBench;
  #putIntoTun = 0;
  #putIntoUnderlay = 0;
  #takenFromTun = 0;
  #takenFromUnderlay = 0;

  constructor(bench: EngineBench, underlay: UnderlayBench) {
    this.#bench = bench;
    this.#underlay = underlay;
  }

  /** Puts a handful of packets in on each side: for peer A, B and nobody, of both of them and a stranger. */
  putBurst(): void {
    for (const packet of OUTGOING) if (this.#bench.tryPut("tun", packet)) this.#putIntoTun += 1;
    for (const [from, packet] of INCOMING) this.#bench.put(from, packet);
    this.#putIntoUnderlay += INCOMING.length;
  }

  /** Waits until the engine has counted all that was put in. */
  async settle(): Promise<void> {
    await until(
      () => this.unread().every((count) => count === 0),
      () => `unread: ${this.unread().join()}; ${JSON.stringify(this.#bench.counters())}`,
    );
    await this.takeAll();
  }

  /** Packets put into TUN and underlay that the engine has not counted. */
  unread(): [number, number] {
    const counters = this.#bench.engine.readCounters();
    return [
      this.#putIntoTun - sumOf(counters, /^encap(Sent|Drop)/),
      this.#putIntoUnderlay - sumOf(counters, /^decap(Delivered|Drop)/),
    ];
  }

  async takeAll(): Promise<void> {
    this.#takenFromTun += this.#bench.takeFromTun().length;
    this.#takenFromUnderlay += (await this.#underlay.takeDeliveries()).length;
  }

  /** Packets that the engine says came out on each side, less those that did. Call {@link takeAll} before. */
  missing(): [number, number] {
    const { encapSent, decapDelivered, icmpSent } = this.#bench.engine.readCounters();
    return [decapDelivered + icmpSent - this.#takenFromTun, encapSent - this.#takenFromUnderlay];
  }
}

const OUTGOING = [
  packetOf(),
  packet6Of({ destination: POD_B6 }),
  packetOf({ destination: POD_B }),
  packet6Of(),
  packetOf({ source: EXTERNAL }),
];
const INCOMING: readonly (readonly [Sender, Buffer])[] = [
  ["peerA", packetOf({ source: POD_A, destination: OWN_POD })],
  ["peerB", packet6Of({ source: POD_B6, destination: OWN_POD6 })],
  ["peerB", packetOf({ source: POD_B, destination: OWN_POD })],
  ["peerA", packet6Of({ source: POD_A6, destination: OWN_POD6 })],
  ["stranger", packetOf({ source: POD_A, destination: OWN_POD })],
];

function numbered(i: number, _count: number, isIncoming: boolean): Buffer {
  return packetOf({ ...ENDS[+isIncoming as 0 | 1], identification: i, payload: numberedPayload(i) });
}

function numbered6(i: number, _count: number, isIncoming: boolean): Buffer {
  return packet6Of({ ...ENDS6[+isIncoming as 0 | 1], payload: numberedPayload(i) });
}

function numberedPayload(i: number): Buffer {
  return Buffer.concat([Buffer.from([i >> 8, i & 255]), countingBytes((i * 37) % 1_400)]);
}

const SEGMENT_BYTES = 1_000;

/** Segment `i` of a stream: every 10th is pushed, every 7th shorter by one byte, the last one ends it. */
function segmentAt(i: number, count: number): Parameters<typeof tcpPacketOf>[0] {
  const sequence = (0xffff0000 + i * SEGMENT_BYTES - Math.floor(i / 7)) % 2 ** 32;
  const end = i === count - 1 ? TCP_FLAG.fin : 0;
  const flags = TCP_FLAG.ack + (i % 10 === 9 ? TCP_FLAG.psh : 0) + end;
  return { sequence, flags, payload: payloadAt(i) };
}

/** 1,000 bytes that differ from packet to packet; every 7th has one byte less. */
function payloadAt(i: number): Buffer {
  const bytes = countingBytes(SEGMENT_BYTES - (i % 7 === 6 ? 1 : 0));
  bytes.writeUInt32BE(i, 0);
  return bytes;
}

function sumOf(counters: PacketCounters, names: RegExp): number {
  return Object.entries(counters).reduce((sum, [name, count]) => (names.test(name) ? sum + count : sum), 0);
}
