/** TUN to UDP: what may leave this host, and to whom. */
import { HEADER_FAULT, findHeaderFault } from "./check-header.ts";
import type { HeaderFault } from "./check-header.ts";
import type { ForwardingTable } from "./forwarding-table.ts";
import { NO_PEER } from "./forwarding-table.ts";
import * as ipv4 from "./ipv4-header.ts";
import { COUNTER } from "./packet-counters.ts";
import type { CounterIndex } from "./packet-counters.ts";
import { isOwnAddress } from "./packet-verdict.ts";
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
  const fault = findHeaderFault(packet, bytes);
  if (fault !== HEADER_FAULT.none) return dropOf(fault, packet);
  const source = ipv4.sourceOf(packet);
  const destination = ipv4.destinationOf(packet);

  const isForeignSource = rules.sourceCheck !== "off" && !isOwnAddress(rules, source);
  if (isForeignSource && rules.sourceCheck === "strict") return COUNTER.encapDropForeignSource;
  if (isOwnAddress(rules, destination)) return COUNTER.encapDropOwnDestination;
  if (ipv4.ipTtlOf(packet) <= 1) return COUNTER.encapDropTtl;
  const peer = table.peerOfDestination(destination);
  if (peer === NO_PEER) return COUNTER.encapDropNoPeer;
  const length = ipv4.totalLengthOf(packet);
  if (length > rules.overlayMtu && ipv4.mustNotFragment(packet)) return COUNTER.encapDropDontFragment;
  if (length > ipv4.MAX_UDP_PAYLOAD_BYTES) return COUNTER.encapDropTooLong;

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
      return ipv4.versionOf(packet) === 6 ? COUNTER.encapDropIpv6 : COUNTER.encapDropVersion;
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
