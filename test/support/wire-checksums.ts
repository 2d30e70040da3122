/** Checksums of packets as they are on the wire, by the naive sum of packets.ts: those of VXLAN, and of what it carries. */
import { PROTOCOL, checksumOf } from "./packets.ts";

const ETHERNET_BYTES = 14;
const UDP_HEADER_BYTES = 8;
const VXLAN_HEADER_BYTES = 8;
const UDP_CHECKSUM_AT = 6;
/** More fragments, or an offset: of its transport's checksum nothing can be said. */
const FRAGMENT_BITS = 0x3fff;

/** An outer packet and the inner one. */
export interface CheckedFrame {
  readonly source: string;
  readonly innerSource: string;
  readonly innerProtocol: number;
  /** What is wrong, in words; none when every checksum is right. */
  readonly faults: readonly string[];
}

/** Looks at an Ethernet frame that has a VXLAN datagram. An outer UDP checksum of 0 is right (RFC 7348 section 5). */
export function checkVxlanFrame(frame: Buffer): CheckedFrame {
  const outer = packetIn(frame);
  const datagram = payloadOf(outer);
  const inner = packetIn(datagram.subarray(UDP_HEADER_BYTES + VXLAN_HEADER_BYTES));
  const isOuterUnsummed = datagram.readUInt16BE(UDP_CHECKSUM_AT) === 0;
  return {
    source: sourceOf(outer),
    innerSource: sourceOf(inner),
    innerProtocol: inner.readUInt8(9),
    faults: [
      ...headerFaults(outer, "outer"),
      ...(isOuterUnsummed ? [] : transportFaults(outer, "outer")),
      ...headerFaults(inner, "inner"),
      ...transportFaults(inner, "inner"),
    ],
  };
}

/** The IPv4 packet of an Ethernet frame, without padding. */
function packetIn(frame: Buffer): Buffer {
  const packet = frame.subarray(ETHERNET_BYTES);
  return packet.subarray(0, packet.readUInt16BE(2));
}

function headerFaults(packet: Buffer, where: string): string[] {
  return checksumOf(packet.subarray(0, headerBytesOf(packet))) === 0 ? [] : [`${where} IP header`];
}

function transportFaults(packet: Buffer, where: string): string[] {
  if ((packet.readUInt16BE(6) & FRAGMENT_BITS) !== 0) return [];
  const payload = payloadOf(packet);
  switch (packet.readUInt8(9)) {
    case PROTOCOL.icmp:
      return checksumOf(payload) === 0 ? [] : [`${where} ICMP`];
    case PROTOCOL.tcp:
      return isSummed(packet, payload) ? [] : [`${where} TCP`];
    case PROTOCOL.udp:
      return isSummed(packet, payload) && payload.readUInt16BE(UDP_CHECKSUM_AT) !== 0 ? [] : [`${where} UDP`];
    default:
      return [`${where} protocol ${packet.readUInt8(9)}, which nobody sent`];
  }
}

/** With the pseudo header (RFC 9293 section 3.1). */
function isSummed(packet: Buffer, payload: Buffer): boolean {
  const rest = Buffer.from([0, packet.readUInt8(9), payload.length >> 8, payload.length % 256]);
  return checksumOf(Buffer.concat([packet.subarray(12, 20), rest, payload])) === 0;
}

function payloadOf(packet: Buffer): Buffer {
  return packet.subarray(headerBytesOf(packet));
}

function headerBytesOf(packet: Buffer): number {
  return (packet.readUInt8(0) % 16) * 4;
}

function sourceOf(packet: Buffer): string {
  return [...packet.subarray(12, 16)].join(".");
}
