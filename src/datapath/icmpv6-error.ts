/**
 * ICMPv6 errors (RFC 4443) about packets that we drop: what icmp-error.ts does for IPv4.
 *
 *    0 | IPv6 header, 40 bytes: from the TUN's address to the offender's source      |
 *   40 |     type      |     code      |           checksum            |
 *   44 |           MTU (type 2, RFC 4443 section 3.2), else 0          |
 *   48 | the offending packet from its IP header on, as much as fits into 1,280 bytes |
 */
import { internetSum } from "./ipv4-header.ts";
import * as ipv6 from "./ipv6-header.ts";

/** Longest ICMPv6 error: every link carries a packet of this length whole (RFC 4443 section 2.4 c). */
export const MAX_ICMPV6_ERROR_BYTES = 1280;

const ICMP_AT = ipv6.HEADER_BYTES;
const QUOTE_AT = ICMP_AT + 8;
const MAX_QUOTE_BYTES = MAX_ICMPV6_ERROR_BYTES - QUOTE_AT;
/** Version 6, traffic class "internetwork control" as in IPv4 errors, flow label 0. */
const FIRST_WORD = 0x6c000000;
const PROTOCOL_ICMPV6 = 58;
const HOP_LIMIT = 64;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION_OPTIONS = 60;
/** Every extension header has a multiple of this length (RFC 8200 section 4). */
const EXTENSION_UNIT_BYTES = 8;
/** A packet that makes sense has at most one of each, and destination options twice (RFC 8200 section 4.1). */
const MAX_EXTENSION_HEADERS = 8;

/** Types that ask or answer: echo (RFC 4443), node information (RFC 4620). Any other is an error, or might be one. */
const QUERY_TYPES: ReadonlySet<number> = new Set([128, 129, 139, 140]);

/**
 * Whether an ICMPv6 error about this packet is allowed (RFC 4443 section 2.4 e): not about an ICMPv6 error, not about
 * a fragment other than the first, and not about a packet that hides behind its extension headers which of them it
 * is. The packet has passed `findHeaderFault`; that its source is a host which the error reaches is for the caller
 * to know. Allocates nothing.
 */
export function mayAnswerIpv6(packet: Buffer): boolean {
  const end = ipv6.totalLengthOf(packet);
  let header = ipv6.nextHeaderOf(packet);
  let at = ipv6.HEADER_BYTES;
  for (let walked = 0; isExtension(header); walked++) {
    if (walked === MAX_EXTENSION_HEADERS || at + EXTENSION_UNIT_BYTES > end) return false;
    if (header === FRAGMENT && isLaterFragment(packet, at)) return false;
    const bytes = header === FRAGMENT ? EXTENSION_UNIT_BYTES : extensionBytesOf(packet, at);
    header = packet.readUInt8(at);
    at += bytes;
    if (at > end) return false;
  }
  return header !== PROTOCOL_ICMPV6 || (at < end && QUERY_TYPES.has(packet.readUInt8(at)));
}

/**
 * Writes the error about `offender` at the start of `out`, which has {@link MAX_ICMPV6_ERROR_BYTES}, and returns
 * its length. The quote is the packet as it came, up to its total length: never a byte that was not received.
 * @param type the code is 0 in all of ours
 * @param tunAddress source of the error, 16 bytes
 * @param mtu for type 2; 0 for the others
 */
export function writeIcmpv6Error(
  out: Buffer,
  offender: Buffer,
  type: number,
  tunAddress: Buffer,
  mtu: number,
): number {
  const quoteBytes = Math.min(ipv6.totalLengthOf(offender), MAX_QUOTE_BYTES);
  const bytes = QUOTE_AT + quoteBytes;
  out.fill(0, 0, QUOTE_AT);
  offender.copy(out, QUOTE_AT, 0, quoteBytes);

  out.writeUInt32BE(FIRST_WORD, 0);
  out.writeUInt16BE(bytes - ipv6.HEADER_BYTES, 4);
  out.writeUInt8(PROTOCOL_ICMPV6, 6);
  out.writeUInt8(HOP_LIMIT, 7);
  tunAddress.copy(out, ipv6.SOURCE_AT);
  offender.copy(out, ipv6.DESTINATION_AT, ipv6.SOURCE_AT, ipv6.DESTINATION_AT);

  out.writeUInt8(type, ICMP_AT);
  out.writeUInt32BE(mtu, ICMP_AT + 4);
  out.writeUInt16BE(icmpv6ChecksumOf(out, bytes), ICMP_AT + 2);
  return bytes;
}

/** With the pseudo-header (RFC 8200 section 8.1): both addresses, which lie in front, length and protocol. */
function icmpv6ChecksumOf(packet: Buffer, bytes: number): number {
  const sum = internetSum(packet, ipv6.SOURCE_AT, bytes) + (bytes - ipv6.HEADER_BYTES) + PROTOCOL_ICMPV6;
  return ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
}

function isExtension(header: number): boolean {
  return header === HOP_BY_HOP || header === ROUTING || header === FRAGMENT || header === DESTINATION_OPTIONS;
}

/** Length of an extension header other than FRAGMENT: its second byte counts what follows the first 8 bytes. */
function extensionBytesOf(packet: Buffer, at: number): number {
  return EXTENSION_UNIT_BYTES * (1 + packet.readUInt8(at + 1));
}

/** Whether the fragment header (RFC 8200 section 4.5) at `at` has an offset. */
function isLaterFragment(packet: Buffer, at: number): boolean {
  return packet.readUInt16BE(at + 2) >>> 3 !== 0;
}
