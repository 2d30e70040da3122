/**
 * An inner packet of either IP family, read in place. It has passed `findHeaderFault`, so its version is 4 or 6 and
 * its whole header is there.
 */
import * as ipv4 from "./ipv4-header.ts";
import * as ipv6 from "./ipv6-header.ts";

/** Longest packet of either family. */
export const MAX_PACKET_BYTES = ipv6.MAX_PACKET_BYTES;

/** IP version, as the first four bits say: the one function here for packets that nobody has checked. */
export function versionOf(packet: Buffer): number {
  return packet.readUInt8(0) >>> 4;
}

export function isIpv6(packet: Buffer): boolean {
  return versionOf(packet) === 6;
}

/** Length of header and payload, in bytes, as the packet says. */
export function totalLengthOf(packet: Buffer): number {
  return isIpv6(packet) ? ipv6.totalLengthOf(packet) : ipv4.totalLengthOf(packet);
}

/** Whether nobody on the way may cut it: IPv4 with DF, and any IPv6 packet (RFC 8200 section 5). */
export function mustNotFragment(packet: Buffer): boolean {
  return isIpv6(packet) || ipv4.mustNotFragment(packet);
}

/** Hops the packet may still take: time to live, or hop limit. */
export function hopsLeftOf(packet: Buffer): number {
  return isIpv6(packet) ? ipv6.hopLimitOf(packet) : ipv4.ipTtlOf(packet);
}

/** Takes one hop, of which there must be one, and mends the checksum where there is one. */
export function takeHop(packet: Buffer): void {
  if (isIpv6(packet)) ipv6.takeHop(packet);
  else ipv4.takeHop(packet);
}
