/** One packet, and what a packet engine does with it. See packet-table.ts. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import type { PacketEngineOptions } from "../../src/datapath/packet-engine.ts";
import { icmpErrorAbout, oneHopFurther } from "./packets.ts";

export const OWN_SUBNET = "10.244.1.0/24";
export const TUN_ADDRESS = "10.244.1.0";
export const OVERLAY_MTU = 1472;
export const ENGINE_ADDRESS = "127.0.0.1";
export const SENDERS = { peerA: "127.0.0.2", peerB: "127.0.0.3", stranger: "127.0.0.9" } as const;
export const PEERS = [
  { subnet: "10.244.2.0/24", underlayIp: SENDERS.peerA },
  { subnet: "10.244.4.0/22", underlayIp: SENDERS.peerB },
] as const;

export type Sender = keyof typeof SENDERS;

/** What somebody finds in front of them afterwards. */
export interface Delivery {
  readonly to: "tun" | Sender;
  readonly packet: Buffer;
}

export interface PacketCase {
  readonly name: string;
  /** Where the packet is put in: the TUN, or the socket of somebody on the underlay. */
  readonly from: "tun" | Sender;
  readonly packet: Buffer;
  /** Default: `strict`. */
  readonly sourceCheck?: PacketEngineOptions["sourceCheck"];
  /** The one outcome of the packet. */
  readonly outcome: CounterName;
  /** All counters that change, with `outcome`. */
  readonly counters: Readonly<Partial<Record<CounterName, number>>>;
  readonly deliveries: readonly Delivery[];
}

export type PacketInput = Pick<PacketCase, "name" | "from" | "packet" | "sourceCheck">;

export const OWN_POD = "10.244.1.5";
export const POD_A = "10.244.2.7";
export const POD_B = "10.244.5.9";
/** In the overlay, but nobody's. */
export const UNOWNED = "10.244.99.1";
export const EXTERNAL = "203.0.113.9";

/** The packet goes on, one hop further and without padding. */
export function passed(
  input: PacketInput,
  to: Delivery["to"],
  onTheSide: PacketCase["counters"] = {},
): PacketCase {
  const packet = oneHopFurther(input.packet);
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
export function answered(
  input: PacketInput,
  outcome: CounterName,
  error: { readonly type: number; readonly code: number; readonly nextHopMtu?: number },
): PacketCase {
  const packet = icmpErrorAbout(input.packet, { from: TUN_ADDRESS, ...error });
  return {
    ...input,
    outcome,
    counters: { [outcome]: 1, icmpSent: 1 },
    deliveries: [{ to: input.from, packet }],
  };
}
