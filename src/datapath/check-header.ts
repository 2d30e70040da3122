/** The checks that both directions share: is this an IP packet, whole, and between two hosts. */
import { versionOf } from "./inner-packet.ts";
import * as ipv4 from "./ipv4-header.ts";
import * as ipv6 from "./ipv6-header.ts";

/** What is wrong with a packet, in the order in which it is looked for. */
export const HEADER_FAULT = {
  none: 0,
  short: 1,
  version: 2,
  headerLength: 3,
  totalLength: 4,
  checksum: 5,
  martian: 6,
} as const;

export type HeaderFault = (typeof HEADER_FAULT)[keyof typeof HEADER_FAULT];

/**
 * Looks at the first `bytes` bytes of `packet`. A packet shorter than `bytes` is no fault: the rest is padding,
 * as links with a minimum frame size add it, and is to be cut off. What is shorter than an IPv4 header is short
 * whatever its version says.
 * @param hasIpv6 whether this node carries IPv6; if not, version 6 is one fault like any other
 */
export function findHeaderFault(packet: Buffer, bytes: number, hasIpv6: boolean): HeaderFault {
  if (bytes < ipv4.MIN_HEADER_BYTES) return HEADER_FAULT.short;
  const version = versionOf(packet);
  if (version === 4) return findIpv4Fault(packet, bytes);
  return version === 6 && hasIpv6 ? findIpv6Fault(packet, bytes) : HEADER_FAULT.version;
}

function findIpv4Fault(packet: Buffer, bytes: number): HeaderFault {
  const headerBytes = ipv4.headerBytesOf(packet);
  if (headerBytes < ipv4.MIN_HEADER_BYTES || headerBytes > bytes) return HEADER_FAULT.headerLength;
  const totalLength = ipv4.totalLengthOf(packet);
  if (totalLength < headerBytes || totalLength > bytes) return HEADER_FAULT.totalLength;
  if (ipv4.internetSum(packet, 0, headerBytes) !== 0xffff) return HEADER_FAULT.checksum;
  if (isMartian(ipv4.sourceOf(packet)) || isMartian(ipv4.destinationOf(packet))) return HEADER_FAULT.martian;
  return HEADER_FAULT.none;
}

/** A payload length of 0 is a jumbogram (RFC 2675), which no UDP datagram holds, or carries nothing. */
function findIpv6Fault(packet: Buffer, bytes: number): HeaderFault {
  if (bytes < ipv6.HEADER_BYTES) return HEADER_FAULT.short;
  if (ipv6.payloadBytesOf(packet) === 0) return HEADER_FAULT.totalLength;
  if (ipv6.totalLengthOf(packet) > bytes) return HEADER_FAULT.totalLength;
  if (ipv6.isMartianAt(packet, ipv6.SOURCE_AT)) return HEADER_FAULT.martian;
  return ipv6.isMartianAt(packet, ipv6.DESTINATION_AT) ? HEADER_FAULT.martian : HEADER_FAULT.none;
}

/**
 * Whether an IPv4 address (host order) cannot be one end of a packet between two hosts of the overlay: "this
 * network" 0/8, loopback 127/8, link-local 169.254/16, multicast 224/4, class E with broadcast 240/4
 * (RFC 1812 section 5.3.7, RFC 3927 section 2.7).
 */
export function isMartian(address: number): boolean {
  const first = address >>> 24;
  return first === 0 || first === 127 || first >= 224 || address >>> 16 === 0xa9fe;
}
