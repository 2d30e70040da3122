/**
 * ICMP errors (RFC 792) about packets that we drop, so that a sender learns what is wrong, traceroute shows the
 * hop, and path MTU discovery works.
 *
 *    0 | IPv4 header, 20 bytes: from the TUN's address to the offender's source      |
 *   20 |     type      |     code      |           checksum            |
 *   24 |            unused             | next-hop MTU (3/4), else 0    |   RFC 1191 section 4
 *   28 | the offending packet from its IP header on, as much as fits into 576 bytes  |
 */
import * as ipv4 from "./ipv4-header.ts";

/** Longest ICMP error: every host can take a packet of this length whole (RFC 1812 section 4.3.2.3). */
export const MAX_ICMP_ERROR_BYTES = 576;

const ICMP_AT = ipv4.MIN_HEADER_BYTES;
const QUOTE_AT = ICMP_AT + 8;
const MAX_QUOTE_BYTES = MAX_ICMP_ERROR_BYTES - QUOTE_AT;
/** Precedence "internetwork control", which a router's errors have (RFC 1812 section 4.3.2.5). */
const TOS_INTERNETWORK_CONTROL = 0xc0;
/** With DF set the identification has no meaning and may be 0 (RFC 6864 section 4.1). */
const DONT_FRAGMENT = 0x4000;
const IP_TTL = 64;

/**
 * ICMP types that ask or answer: echo, timestamp, information, address mask, extended echo (IANA, "ICMP Type
 * Numbers"). Any other is an error, or might be one that we do not know, or does not leave its link.
 */
const QUERY_TYPES: ReadonlySet<number> = new Set([0, 8, 13, 14, 15, 16, 17, 18, 42, 43]);

/**
 * Whether an ICMP error about this packet is allowed (RFC 1812 section 4.3.2.7): not about an ICMP error, and
 * not about a fragment other than the first. The packet has passed `findHeaderFault`, so neither end is
 * multicast or broadcast; that its source is a host which the error reaches is for the caller to know.
 */
export function mayAnswer(packet: Buffer): boolean {
  if (ipv4.isLaterFragment(packet)) return false;
  if (ipv4.protocolOf(packet) !== ipv4.PROTOCOL_ICMP) return true;
  const typeAt = ipv4.headerBytesOf(packet);
  return typeAt < ipv4.totalLengthOf(packet) && QUERY_TYPES.has(packet.readUInt8(typeAt));
}

/**
 * Writes the error about `offender` at the start of `out`, which has {@link MAX_ICMP_ERROR_BYTES}, and returns
 * its length. The quote is the packet as it came, up to its total length: never a byte that was not received.
 * @param tunAddress source of the error, host order
 * @param nextHopMtu for type 3, code 4; 0 for the others
 */
export function writeIcmpError(
  out: Buffer,
  offender: Buffer,
  reason: { readonly type: number; readonly code: number },
  tunAddress: number,
  nextHopMtu: number,
): number {
  const quoteBytes = Math.min(ipv4.totalLengthOf(offender), MAX_QUOTE_BYTES);
  const bytes = QUOTE_AT + quoteBytes;
  out.fill(0, 0, QUOTE_AT);
  offender.copy(out, QUOTE_AT, 0, quoteBytes);

  out.writeUInt8(0x45, 0);
  out.writeUInt8(TOS_INTERNETWORK_CONTROL, 1);
  out.writeUInt16BE(bytes, 2);
  out.writeUInt16BE(DONT_FRAGMENT, 6);
  out.writeUInt8(IP_TTL, 8);
  out.writeUInt8(ipv4.PROTOCOL_ICMP, 9);
  out.writeUInt32BE(tunAddress, 12);
  out.writeUInt32BE(ipv4.sourceOf(offender), 16);
  out.writeUInt16BE(~ipv4.internetSum(out, 0, ICMP_AT) & 0xffff, 10);

  out.writeUInt8(reason.type, ICMP_AT);
  out.writeUInt8(reason.code, ICMP_AT + 1);
  out.writeUInt16BE(nextHopMtu, ICMP_AT + 6);
  out.writeUInt16BE(~ipv4.internetSum(out, ICMP_AT, bytes) & 0xffff, ICMP_AT + 2);
  return bytes;
}
