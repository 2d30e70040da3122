/**
 * IPv4 header (RFC 791 section 3.1), read in place from the start of a buffer. Offsets in bytes:
 *
 *    0 |version|  IHL  |      TOS      |         total length          |
 *    4 |        identification         |R|DF|MF|   fragment offset     |
 *    8 | time to live  |   protocol    |        header checksum        |
 *   12 |                        source address                         |
 *   16 |                      destination address                      |
 *   20 |                    options, IHL * 4 - 20 bytes                |
 *
 * Whoever calls has checked that the bytes are there; nothing here reads past byte 20 but `internetSum`.
 */

/** A header without options. */
export const MIN_HEADER_BYTES = 20;

/** Longest payload of one UDP datagram over IPv4: 65,535 less the two headers. */
export const MAX_UDP_PAYLOAD_BYTES = 65_535 - 20 - 8;

export const PROTOCOL_ICMP = 1;

const DONT_FRAGMENT = 0x4000;
const FRAGMENT_OFFSET_MASK = 0x1fff;
/** What one hop less adds to the sum of the header: ~m + m' for m' = m - 0x0100, whatever m is. */
const ONE_HOP_LESS = 0xfeff;

/** Length of the header with its options, in bytes, as the packet says. */
export function headerBytesOf(packet: Buffer): number {
  return (packet.readUInt8(0) & 0x0f) * 4;
}

/** Length of header and payload, in bytes, as the packet says. */
export function totalLengthOf(packet: Buffer): number {
  return packet.readUInt16BE(2);
}

export function mustNotFragment(packet: Buffer): boolean {
  return (packet.readUInt16BE(6) & DONT_FRAGMENT) !== 0;
}

/** Whether this is a fragment other than the first, so that it does not start with the payload's own header. */
export function isLaterFragment(packet: Buffer): boolean {
  return (packet.readUInt16BE(6) & FRAGMENT_OFFSET_MASK) !== 0;
}

/** Hops the packet may still take. */
export function ipTtlOf(packet: Buffer): number {
  return packet.readUInt8(8);
}

export function protocolOf(packet: Buffer): number {
  return packet.readUInt8(9);
}

/** Source address in host order. */
export function sourceOf(packet: Buffer): number {
  return packet.readUInt32BE(12);
}

/** Destination address in host order. */
export function destinationOf(packet: Buffer): number {
  return packet.readUInt32BE(16);
}

/**
 * Takes one hop from the time to live, which must be 1 or more, and mends the header checksum without summing
 * the header again (RFC 1624 section 3, equation 3: HC' = ~(~HC + ~m + m')).
 */
export function takeHop(packet: Buffer): void {
  packet.writeUInt8(packet.readUInt8(8) - 1, 8);
  const sum = (~packet.readUInt16BE(10) & 0xffff) + ONE_HOP_LESS;
  packet.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, 10);
}

/**
 * One's-complement sum of 16-bit words from `start` up to `end`, an odd last byte padded with zero (RFC 1071).
 * A block with a right checksum inside sums to 0xffff; the checksum of one with zero in its place is `~sum & 0xffff`.
 */
export function internetSum(bytes: Buffer, start: number, end: number): number {
  let sum = 0; // at most 32,768 words of 16 bits: stays below 2^31
  let at = start;
  for (; at + 1 < end; at += 2) sum += bytes.readUInt16BE(at);
  if (at < end) sum += bytes.readUInt8(at) << 8;
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
}
