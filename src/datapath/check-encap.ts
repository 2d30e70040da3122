/** TUN to UDP: what may leave this host, and to whom. */
import { isOwnDestination, isOwnSource, peerOfDestination } from "./address-owner.ts";
import { HEADER_FAULT, findHeaderFault } from "./check-header.ts";
import type { HeaderFault } from "./check-header.ts";
import type { ForwardingTable } from "./forwarding-table.ts";
import { NO_PEER } from "./forwarding-table.ts";
import { hopsLeftOf, isIpv6, mustNotFragment, totalLengthOf } from "./inner-packet.ts";
import { COUNTER } from "./packet-counters.ts";
import type { CounterIndex } from "./packet-counters.ts";
import type { PacketRules, PacketVerdict } from "./packet-verdict.ts";

/**
 * Checks a packet of `bytes` bytes that was read from the TUN. Returns `COUNTER.encapSent` when it is to be sent
 * to `verdict.peer`, else the counter of the reason why not. The packet is not changed: `takeHop` comes next.
 *
 * The checksum is verified although the kernel wrote or verified these headers: what comes next mends it only by
 * the difference, and the peer's decapsulation would then be blamed for a header that broke on this host.
 */
export function checkEncap(
  packet: Buffer,
  bytes: number,
  rules: PacketRules,
  table: ForwardingTable,
  verdict: PacketVerdict,
): CounterIndex {
  const fault = findHeaderFault(packet, bytes, rules.ownRange6 !== null);
  if (fault !== HEADER_FAULT.none) return dropOf(fault, packet);

  const isForeignSource = rules.sourceCheck !== "off" && !isOwnSource(packet, rules);
  if (isForeignSource && rules.sourceCheck === "strict") return COUNTER.encapDropForeignSource;
  if (isOwnDestination(packet, rules)) return COUNTER.encapDropOwnDestination;
  if (hopsLeftOf(packet) <= 1) return COUNTER.encapDropTtl;
  const peer = peerOfDestination(packet, table);
  if (peer === NO_PEER) return COUNTER.encapDropNoPeer;
  const length = totalLengthOf(packet);
  if (length > rules.overlayMtu && mustNotFragment(packet)) return COUNTER.encapDropDontFragment;
  if (length > rules.maxInnerBytes) return COUNTER.encapDropTooLong;

  verdict.peer = peer;
  verdict.length = length;
  verdict.isForeignSource = isForeignSource;
  return COUNTER.encapSent;
}

function dropOf(fault: Exclude<HeaderFault, 0>, packet: Buffer): CounterIndex {
  switch (fault) {
    case HEADER_FAULT.short:
      return COUNTER.encapDropShort;
    case HEADER_FAULT.version:
      return isIpv6(packet) ? COUNTER.encapDropIpv6 : COUNTER.encapDropVersion;
    case HEADER_FAULT.headerLength:
      return COUNTER.encapDropHeaderLength;
    case HEADER_FAULT.totalLength:
      return COUNTER.encapDropTotalLength;
    case HEADER_FAULT.checksum:
      return COUNTER.encapDropChecksum;
    case HEADER_FAULT.martian:
      return COUNTER.encapDropMartian;
  }
}
