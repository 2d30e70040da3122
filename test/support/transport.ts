/** Right TCP segments and UDP datagrams of both families, every checksum summed anew. Shares no line with src. */
import { addressBytes, checksumOf, packetOf } from "./packets.ts";
import type { PacketFields } from "./packets.ts";
import { address6Bytes, checksum6Of, packet6Of } from "./packets6.ts";
import type { Packet6Fields } from "./packets6.ts";

export const TCP_FLAG = { fin: 0x01, psh: 0x08, ack: 0x10, cwr: 0x80 };

/** One TCP segment. */
export interface SegmentFields {
  readonly sequence: number;
  readonly payload: Buffer;
  readonly flags?: number;
}

/** A TCP segment in an IPv4 packet, ports 40,000 to 5,201. */
export function tcpPacketOf(segment: SegmentFields, ends: PacketFields): Buffer {
  return ipv4With(6, tcpOf(segment), 16, ends);
}

/** The same in an IPv6 packet. */
export function tcpPacket6Of(segment: SegmentFields, ends: Packet6Fields): Buffer {
  return ipv6With(6, tcpOf(segment), 16, ends);
}

/** A UDP datagram in an IPv4 packet, ports 40,000 to 5,201. */
export function udpPacketOf(payload: Buffer, ends: PacketFields): Buffer {
  return ipv4With(17, udpOf(payload), 6, ends);
}

/** The same in an IPv6 packet. */
export function udpPacket6Of(payload: Buffer, ends: Packet6Fields): Buffer {
  return ipv6With(17, udpOf(payload), 6, ends);
}

/** Header of 32 bytes: 12 of them a timestamp option. The checksum is still 0. */
function tcpOf({ sequence, payload, flags = TCP_FLAG.ack }: SegmentFields): Buffer {
  const header = Buffer.from("9c401451" + "00000000" + "01020304" + "8000" + "1000" + "0000" + "0000", "hex");
  const timestamps = Buffer.from("0101080a" + "0000000a" + "0000000b", "hex");
  header.writeUInt32BE(sequence, 4);
  header[13] = flags;
  return Buffer.concat([header, timestamps, payload]);
}

function udpOf(payload: Buffer): Buffer {
  const header = Buffer.from("9c401451" + "0000" + "0000", "hex");
  header.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([header, payload]);
}

function ipv4With(protocol: number, message: Buffer, checksumAt: number, ends: PacketFields): Buffer {
  const source = Buffer.from(addressBytes(ends.source ?? "10.244.1.5"));
  const destination = Buffer.from(addressBytes(ends.destination ?? "10.244.2.7"));
  const pseudoHeader = Buffer.concat([source, destination, Buffer.from([0, protocol, 0, 0])]);
  pseudoHeader.writeUInt16BE(message.length, 10);
  const checksum = checksumOf(Buffer.concat([pseudoHeader, message]));
  return packetOf({ ...ends, protocol, payload: withChecksum(message, checksumAt, checksum, protocol) });
}

function ipv6With(nextHeader: number, message: Buffer, checksumAt: number, ends: Packet6Fields): Buffer {
  const source = address6Bytes(ends.source ?? "2001:db8:0:1::5");
  const destination = address6Bytes(ends.destination ?? "2001:db8:0:2::7");
  const checksum = checksum6Of(source, destination, nextHeader, message);
  return packet6Of({ ...ends, nextHeader, payload: withChecksum(message, checksumAt, checksum, nextHeader) });
}

/** A UDP checksum of 0 would say that there is none (RFC 768). */
function withChecksum(message: Buffer, at: number, checksum: number, protocol: number): Buffer {
  message.writeUInt16BE(protocol === 17 && checksum === 0 ? 0xffff : checksum, at);
  return message;
}
