/** The checks that both directions share: is this an IPv4 packet, whole, and between two hosts. */
import * as ipv4 from "./ipv4-header.ts";

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
 * as links with a minimum frame size add it, and is to be cut off.
 */
export function findHeaderFault(packet: Buffer, bytes: number): HeaderFault {
  if (bytes < ipv4.MIN_HEADER_BYTES) return HEADER_FAULT.short;
  if (ipv4.versionOf(packet) !== 4) return HEADER_FAULT.version;
  const headerBytes = ipv4.headerBytesOf(packet);
  if (headerBytes < ipv4.MIN_HEADER_BYTES || headerBytes > bytes) return HEADER_FAULT.headerLength;
  const totalLength = ipv4.totalLengthOf(packet);
  if (totalLength < headerBytes || totalLength > bytes) return HEADER_FAULT.totalLength;
  if (ipv4.internetSum(packet, 0, headerBytes) !== 0xffff) return HEADER_FAULT.checksum;
  if (isMartian(ipv4.sourceOf(packet)) || isMartian(ipv4.destinationOf(packet))) return HEADER_FAULT.martian;
  return HEADER_FAULT.none;
}

/**
 * Whether an address (host order) cannot be one end of a packet between two hosts of the overlay: "this
 * network" 0/8, loopback 127/8, link-local 169.254/16, multicast 224/4, class E with broadcast 240/4
 * (RFC 1812 section 5.3.7, RFC 3927 section 2.7).
 */
export function isMartian(address: number): boolean {
  const first = address >>> 24;
  return first === 0 || first === 127 || first >= 224 || address >>> 16 === 0xa9fe;
}
