/** One packet, and what a packet engine does with it. See packet-table.ts. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import type { PacketEngineOptions } from "../../src/datapath/packet-engine.ts";
import { TUN_ADDRESS } from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import { icmpErrorAbout, oneHopFurther } from "./packets.ts";

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
