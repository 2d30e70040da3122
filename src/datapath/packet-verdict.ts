/** What the checks of both directions need to know, and what they say. */
import { NO_PEER } from "./forwarding-table.ts";
import type { PacketEngineOptions } from "./packet-engine.ts";

/** The part of an engine's options that the checks go by, as numbers: no packet should cost an object. */
export interface PacketRules {
  readonly ownFirst: number;
  readonly ownLast: number;
  readonly overlayMtu: number;
  readonly sourceCheck: PacketEngineOptions["sourceCheck"];
}

/** Makes the rules of an engine. */
export function createPacketRules(
  options: Pick<PacketEngineOptions, "ownSubnet" | "overlayMtu" | "sourceCheck">,
): PacketRules {
  const { ownSubnet, overlayMtu, sourceCheck } = options;
  return { ownFirst: ownSubnet.address.value, ownLast: ownSubnet.last.value, overlayMtu, sourceCheck };
}

/** Whether an address (host order) is in our own subnet. */
export function isOwnAddress(rules: PacketRules, address: number): boolean {
  return address >= rules.ownFirst && address <= rules.ownLast;
}

/**
 * What a check found out beside the outcome it returns. One is made at start and written again for each packet;
 * it holds for a packet that passed, and `peer` for one whose drop is answered.
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
