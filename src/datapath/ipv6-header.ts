/**
 * IPv6 header (RFC 8200 section 3), read in place from the start of a buffer. Offsets in bytes:
 *
 *    0 |version| traffic class |              flow label               |
 *    4 |        payload length         |  next header  |   hop limit   |
 *    8 |                  source address, 16 bytes                     |
 *   24 |                destination address, 16 bytes                  |
 *   40 | extension headers and payload                                 |
 *
 * Whoever calls has checked that the bytes are there; nothing here reads past byte 40.
 */

/** The header, which always has this length: extensions count as payload. */
export const HEADER_BYTES = 40;

/** Longest packet that is no jumbogram (payload length has 16 bits). */
export const MAX_PACKET_BYTES = HEADER_BYTES + 65_535;

export const SOURCE_AT = 8;
export const DESTINATION_AT = 24;

const LINK_LOCAL = 0xfe80 >> 6; // fe80::/10
const MULTICAST = 0xff; // ff00::/8

/** Length of what follows the header, in bytes, as the packet says. */
export function payloadBytesOf(packet: Buffer): number {
  return packet.readUInt16BE(4);
}

/** Length of header and payload, in bytes, as the packet says. */
export function totalLengthOf(packet: Buffer): number {
  return HEADER_BYTES + payloadBytesOf(packet);
}

/** What follows the header: an extension header, or the upper layer's protocol. */
export function nextHeaderOf(packet: Buffer): number {
  return packet.readUInt8(6);
}

/** Hops the packet may still take. */
export function hopLimitOf(packet: Buffer): number {
  return packet.readUInt8(7);
}

/** Takes one hop from the limit, which must be 1 or more. No checksum covers it. */
export function takeHop(packet: Buffer): void {
  packet.writeUInt8(packet.readUInt8(7) - 1, 7);
}

/**
 * Whether the address at this offset cannot be one end of a packet between two hosts of the overlay: unspecified
 * ::, loopback ::1, IPv4-mapped ::ffff:0:0/96 (which stands for an IPv4 host and never is on the wire),
 * link-local fe80::/10, multicast ff00::/8 (RFC 4291 section 2, RFC 4942 section 2.2).
 */
export function isMartianAt(packet: Buffer, at: number): boolean {
  const first = packet.readUInt32BE(at);
  if (first >>> 24 === MULTICAST || first >>> 22 === LINK_LOCAL) return true;
  if (first !== 0 || packet.readUInt32BE(at + 4) !== 0) return false;
  const third = packet.readUInt32BE(at + 8);
  return third === 0xffff || (third === 0 && packet.readUInt32BE(at + 12) <= 1);
}
