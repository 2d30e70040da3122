/** UDP to TUN: what may enter this host, and from whom. */
import { isOwnDestination, isOwnSource, isSourceOf } from "./address-owner.ts";
import { HEADER_FAULT, findHeaderFault } from "./check-header.ts";
import type { HeaderFault } from "./check-header.ts";
import type { ForwardingTable } from "./forwarding-table.ts";
import { hopsLeftOf, totalLengthOf, versionOf } from "./inner-packet.ts";
import { MIN_HEADER_BYTES } from "./ipv4-header.ts";
import { COUNTER } from "./packet-counters.ts";
import type { CounterIndex } from "./packet-counters.ts";
import type { PacketRules, PacketVerdict } from "./packet-verdict.ts";

/** What `checkDecap` is told where no frame announces a version. */
export const ANY_VERSION = 0;

/**
 * Checks the packet inside a datagram that came from `peer`. A stranger's datagram is dropped before anything in it
 * is read, and is never answered, so there is nothing to learn here and nothing to amplify; a frame of another
 * network is dropped too. Returns `COUNTER.decapDelivered` when the packet is to be written to the TUN, else the
 * counter of the reason why not. The packet is not changed: `takeHop` comes next.
 *
 * The outer source port is not looked at: flannel sends from the fixed port, but a sender may spread its flows over
 * many. A source in our own subnet is refused whatever `sourceCheck` says: those packets never leave this host.
 * @param version what the frame announced, or {@link ANY_VERSION}
 */
export function checkDecap(
  packet: Buffer,
  version: number,
  peer: number,
  rules: PacketRules,
  table: ForwardingTable,
  verdict: PacketVerdict,
): CounterIndex {
  if (isOfOtherVersion(packet, version)) return COUNTER.decapDropVersion;
  const fault = findHeaderFault(packet, packet.length, rules.ownRange6 !== null);
  if (fault !== HEADER_FAULT.none) return dropOf(fault);

  if (isOwnSource(packet, rules)) return COUNTER.decapDropForeignSource;
  const isForeignSource = rules.sourceCheck !== "off" && !isSourceOf(peer, packet, table);
  if (isForeignSource && rules.sourceCheck === "strict") return COUNTER.decapDropForeignSource;
  if (!isOwnDestination(packet, rules)) return COUNTER.decapDropForeignDestination;
  if (hopsLeftOf(packet) <= 1) return COUNTER.decapDropTtl;

  verdict.peer = peer;
  verdict.length = totalLengthOf(packet);
  verdict.isForeignSource = isForeignSource;
  return COUNTER.decapDelivered;
}

/** Whether a packet that is long enough to have a version has another one than announced. */
function isOfOtherVersion(packet: Buffer, version: number): boolean {
  return version !== ANY_VERSION && packet.length >= MIN_HEADER_BYTES && versionOf(packet) !== version;
}

function dropOf(fault: Exclude<HeaderFault, 0>): CounterIndex {
  switch (fault) {
    case HEADER_FAULT.short:
      return COUNTER.decapDropShort;
    case HEADER_FAULT.version:
      return COUNTER.decapDropVersion;
    case HEADER_FAULT.headerLength:
      return COUNTER.decapDropHeaderLength;
    case HEADER_FAULT.totalLength:
      return COUNTER.decapDropTotalLength;
    case HEADER_FAULT.checksum:
      return COUNTER.decapDropChecksum;
    case HEADER_FAULT.martian:
      return COUNTER.decapDropMartian;
  }
}
