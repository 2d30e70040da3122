/** What the checks of both directions need to know, and what they say. */
import { NO_PEER } from "./forwarding-table.ts";
import { maxInnerBytesOf } from "./framing.ts";
import { Ipv6Range } from "./ipv6-range.ts";
import type { PacketEngineOptions } from "./packet-engine.ts";

/** The part of an engine's options that the checks go by, in a form in which no packet costs an object. */
export interface PacketRules {
  readonly ownFirst: number;
  readonly ownLast: number;
  /** Null: this node carries no IPv6. */
  readonly ownRange6: Ipv6Range | null;
  readonly overlayMtu: number;
  /** Longest packet that one UDP datagram holds beside the framing. */
  readonly maxInnerBytes: number;
  readonly sourceCheck: PacketEngineOptions["sourceCheck"];
}

/** Makes the rules of an engine. */
export function createPacketRules(
  options: Pick<PacketEngineOptions, "framing" | "ownSubnet" | "ownSubnet6" | "overlayMtu" | "sourceCheck">,
): PacketRules {
  const { framing, ownSubnet, ownSubnet6, overlayMtu, sourceCheck } = options;
  return {
    ownFirst: ownSubnet.address.value,
    ownLast: ownSubnet.last.value,
    ownRange6: ownSubnet6 === null ? null : new Ipv6Range(ownSubnet6),
    overlayMtu,
    maxInnerBytes: maxInnerBytesOf(framing),
    sourceCheck,
  };
}

/**
 * What a check found out beside the outcome it returns. One is made at start and written again for each packet;
 * it holds for a packet that passed.
 */
export interface PacketVerdict {
  /** Where the packet goes, or where it came from. */
  peer: number;
  /** Bytes to pass on: the packet without padding. */
  length: number;
  /** The source belongs to somebody else, and `sourceCheck` is `count`. */
  isForeignSource: boolean;
}

/** A verdict to be written by the first check. */
export function createPacketVerdict(): PacketVerdict {
  return { peer: NO_PEER, length: 0, isForeignSource: false };
}
