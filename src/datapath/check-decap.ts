/** UDP to TUN: what may enter this host, and from whom. */
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
 * Checks a datagram that came from `peer`, the index of its outer source address. Returns
 * `COUNTER.decapDelivered` when it is to be written to the TUN, else the counter of the reason why not. The
 * packet is not changed: `takeHop` comes next.
 *
 * A datagram of a stranger is dropped before anything in it is read, and is never answered, so there is nothing
 * to learn here and nothing to amplify. The outer source port is not looked at: flannel sends from the fixed
 * port, but a sender may spread its flows over many.
 *
 * A source in our own subnet is refused whatever `sourceCheck` says: those packets never leave this host.
 */
export function checkDecap(
  datagram: Buffer,
  peer: number,
  rules: PacketRules,
  table: ForwardingTable,
  verdict: PacketVerdict,
): CounterIndex {
  if (peer === NO_PEER) return COUNTER.decapDropStranger;
  const fault = findHeaderFault(datagram, datagram.length);
  if (fault !== HEADER_FAULT.none) return dropOf(fault);

  const source = ipv4.sourceOf(datagram);
  if (isOwnAddress(rules, source)) return COUNTER.decapDropForeignSource;
  const isForeignSource = rules.sourceCheck !== "off" && !table.isInSubnetOf(peer, source);
  if (isForeignSource && rules.sourceCheck === "strict") return COUNTER.decapDropForeignSource;
  if (!isOwnAddress(rules, ipv4.destinationOf(datagram))) return COUNTER.decapDropForeignDestination;
  if (ipv4.ipTtlOf(datagram) <= 1) return COUNTER.decapDropTtl;

  verdict.peer = peer;
  verdict.length = ipv4.totalLengthOf(datagram);
  verdict.isForeignSource = isForeignSource;
  return COUNTER.decapDelivered;
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
