/** Whose the addresses of an inner packet are, in its own family: ours, a peer's, or nobody's. */
import type { ForwardingTable } from "./forwarding-table.ts";
import { isIpv6 } from "./inner-packet.ts";
import * as ipv4 from "./ipv4-header.ts";
import * as ipv6 from "./ipv6-header.ts";
import type { PacketRules } from "./packet-verdict.ts";

/** Whether the source is in our own subnet. */
export function isOwnSource(packet: Buffer, rules: PacketRules): boolean {
  if (isIpv6(packet)) return rules.ownRange6?.holds(packet, ipv6.SOURCE_AT) === true;
  return isOwnIpv4(ipv4.sourceOf(packet), rules);
}

/** Whether the source is in our own subnet and names one host: not our IPv4 broadcast address. */
export function isOwnHost(packet: Buffer, rules: PacketRules): boolean {
  return isOwnSource(packet, rules) && (isIpv6(packet) || ipv4.sourceOf(packet) !== rules.ownLast);
}

/** Whether the destination is in our own subnet. */
export function isOwnDestination(packet: Buffer, rules: PacketRules): boolean {
  if (isIpv6(packet)) return rules.ownRange6?.holds(packet, ipv6.DESTINATION_AT) === true;
  return isOwnIpv4(ipv4.destinationOf(packet), rules);
}

/** The peer whose subnet holds the destination, or `NO_PEER`. */
export function peerOfDestination(packet: Buffer, table: ForwardingTable): number {
  if (isIpv6(packet)) return table.peerOfDestination6(packet, ipv6.DESTINATION_AT);
  return table.peerOfDestination(ipv4.destinationOf(packet));
}

/** Whether the source is in the peer's own subnet. */
export function isSourceOf(peer: number, packet: Buffer, table: ForwardingTable): boolean {
  if (isIpv6(packet)) return table.isInSubnet6Of(peer, packet, ipv6.SOURCE_AT);
  return table.isInSubnetOf(peer, ipv4.sourceOf(packet));
}

/** Whether the source is in the peer's own subnet and names one host: not its IPv4 broadcast address. */
export function isHostOf(peer: number, packet: Buffer, table: ForwardingTable): boolean {
  return isIpv6(packet) ? isSourceOf(peer, packet, table) : table.isHostOf(peer, ipv4.sourceOf(packet));
}

function isOwnIpv4(address: number, rules: PacketRules): boolean {
  return address >= rules.ownFirst && address <= rules.ownLast;
}
