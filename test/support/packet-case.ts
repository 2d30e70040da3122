/** One packet, and what a packet engine does with it. See packet-table.ts. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import type { PacketEngineOptions } from "../../src/datapath/packet-engine.ts";
import { frameOf } from "./frames.ts";
import type { FrameFields } from "./frames.ts";
import { TUN_ADDRESS, TUN_ADDRESS6, VTEP_MACS } from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import { icmpErrorAbout, oneHopFurther } from "./packets.ts";
import { icmp6ErrorAbout, oneHopFurther6 } from "./packets6.ts";

/** What somebody finds in front of them afterwards: a packet, or with VXLAN on the underlay a frame. */
export interface Delivery {
  readonly to: "tun" | Sender;
  readonly packet: Buffer;
}

export interface PacketCase {
  readonly name: string;
  /** Where the packet is put in: the TUN, or the socket of somebody on the underlay. */
  readonly from: "tun" | Sender;
  /** What is put in: a packet, or with VXLAN from the underlay a frame. */
  readonly packet: Buffer;
  /** Default: `strict`. */
  readonly sourceCheck?: PacketEngineOptions["sourceCheck"];
  /** Default: `bare`. */
  readonly framing?: PacketEngineOptions["framing"]["kind"];
  /** Whether the node carries IPv6. Default: no. */
  readonly hasIpv6?: boolean;
  /** The one outcome of the packet. */
  readonly outcome: CounterName;
  /** All counters that change, with `outcome`. */
  readonly counters: Readonly<Partial<Record<CounterName, number>>>;
  readonly deliveries: readonly Delivery[];
}

export type PacketInput = Pick<
  PacketCase,
  "name" | "from" | "packet" | "sourceCheck" | "framing" | "hasIpv6"
>;

/** Type and code of an error about an IPv4 packet; about an IPv6 packet the type, where the code is 0. */
export interface ExpectedError {
  readonly type: number;
  readonly code?: number;
  readonly mtu?: number;
}

/** The packet goes on, one hop further and without padding. */
export function passed(
  input: PacketInput,
  to: Delivery["to"],
  onTheSide: PacketCase["counters"] = {},
): PacketCase {
  const packet = isIpv6(input.packet) ? oneHopFurther6(input.packet) : oneHopFurther(input.packet);
  const [outcome, bytes] =
    input.from === "tun"
      ? (["encapSent", "encapBytes"] as const)
      : (["decapDelivered", "decapBytes"] as const);
  return {
    ...input,
    outcome,
    counters: { [outcome]: 1, [bytes]: packet.length, ...onTheSide },
    deliveries: [{ to, packet }],
  };
}

/** The packet is dropped, and nobody hears of it. */
export function dropped(input: PacketInput, outcome: CounterName): PacketCase {
  return { ...input, outcome, counters: { [outcome]: 1 }, deliveries: [] };
}

/** The packet is dropped, and its sender is told why. */
export function answered(input: PacketInput, outcome: CounterName, error: ExpectedError): PacketCase {
  const { type, code = 0, mtu = 0 } = error;
  const packet = isIpv6(input.packet)
    ? icmp6ErrorAbout(input.packet, { from: TUN_ADDRESS6, type, mtu })
    : icmpErrorAbout(input.packet, { from: TUN_ADDRESS, type, code, nextHopMtu: mtu });
  return {
    ...input,
    outcome,
    counters: { [outcome]: 1, icmpSent: 1 },
    deliveries: [{ to: input.from, packet }],
  };
}

/** The same case on a node whose framing is VXLAN: what travels the underlay has a frame around it. */
export function framed(packetCase: PacketCase, fields: FrameFields = {}): PacketCase {
  const { from, packet, deliveries } = packetCase;
  return {
    ...packetCase,
    framing: "vxlan",
    packet: from === "tun" ? packet : frameOf(packet, { sourceMac: VTEP_MACS[from], ...fields }),
    deliveries: deliveries.map(({ to, packet: sent }) =>
      to === "tun"
        ? { to, packet: sent }
        : { to, packet: frameOf(sent, { destinationMac: VTEP_MACS[to], sourceMac: VTEP_MACS.own }) },
    ),
  };
}

function isIpv6(packet: Buffer): boolean {
  return packet.length >= 40 && packet.readUInt8(0) >> 4 === 6;
}
