/**
 * IPv4 packets for tests, and a naive model of what becomes of them. It shares no line with src/datapath: every
 * checksum is summed anew, every length is what a reader of the RFC would write down.
 */

/** What a test wants different from a plain UDP packet. Without a value, a field is what makes the packet right. */
export interface PacketFields {
  readonly source?: string;
  readonly destination?: string;
  readonly ttl?: number;
  readonly protocol?: number;
  readonly payload?: Buffer;
  /** IP options; a multiple of 4 bytes. */
  readonly options?: Buffer;
  readonly dontFragment?: boolean;
  readonly moreFragments?: boolean;
  /** In units of 8 bytes. */
  readonly fragmentOffset?: number;
  readonly tos?: number;
  readonly identification?: number;
  readonly version?: number;
  /** In units of 4 bytes. */
  readonly ihl?: number;
  readonly totalLength?: number;
  readonly checksum?: number;
  /** Bytes after the end that the total length tells of. */
  readonly padding?: Buffer;
}

export const PROTOCOL = { icmp: 1, igmp: 2, tcp: 6, udp: 17, gre: 47, esp: 50, sctp: 132, experiment: 253 };

/** An IPv4 packet of these fields; without any, a UDP packet of 64 bytes from own pod to a pod of peer A. */
export function packetOf(fields: PacketFields = {}): Buffer {
  const options = fields.options ?? Buffer.alloc(0);
  const payload = fields.payload ?? countingBytes(44);
  const header = Buffer.alloc(20 + options.length);
  const flags = (fields.dontFragment === true ? 0x4000 : 0) + (fields.moreFragments === true ? 0x2000 : 0);
  header[0] = (fields.version ?? 4) * 16 + (fields.ihl ?? header.length / 4);
  header[1] = fields.tos ?? 0;
  header.writeUInt16BE(fields.totalLength ?? header.length + payload.length, 2);
  header.writeUInt16BE(fields.identification ?? 0x1234, 4);
  header.writeUInt16BE(flags + (fields.fragmentOffset ?? 0), 6);
  header[8] = fields.ttl ?? 64;
  header[9] = fields.protocol ?? PROTOCOL.udp;
  header.set(addressBytes(fields.source ?? "10.244.1.5"), 12);
  header.set(addressBytes(fields.destination ?? "10.244.2.7"), 16);
  header.set(options, 20);
  header.writeUInt16BE(fields.checksum ?? checksumOf(header), 10);
  return Buffer.concat([header, payload, fields.padding ?? Buffer.alloc(0)]);
}

/** `count` bytes 0, 1, 2 ... 255, 0 ...: a byte in the wrong place shows. */
export function countingBytes(count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, i) => i % 256));
}

/** Payload that makes a packet without options this long in all. */
export function bytesFor(totalLength: number): Buffer {
  return countingBytes(totalLength - 20);
}

/** An ICMP message as payload of a packet: type, code, checksum, then `rest` (at least 4 bytes in a real one). */
export function icmpPayload(type: number, code = 0, rest = countingBytes(12)): Buffer {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0]), rest]);
  message.writeUInt16BE(checksumOf(message), 2);
  return message;
}

/** The packet one hop further: without padding, one less to live, checksum summed anew. */
export function oneHopFurther(packet: Buffer): Buffer {
  const next = Buffer.from(packet.subarray(0, packet.readUInt16BE(2)));
  const headerBytes = (next.readUInt8(0) % 16) * 4;
  next[8] = next.readUInt8(8) - 1;
  next.writeUInt16BE(0, 10);
  next.writeUInt16BE(checksumOf(next.subarray(0, headerBytes)), 10);
  return next;
}

/** The ICMP error that the node at `from` sends about a packet. */
export function icmpErrorAbout(
  packet: Buffer,
  error: {
    readonly from: string;
    readonly type: number;
    readonly code: number;
    readonly nextHopMtu?: number;
  },
): Buffer {
  const received = packet.subarray(0, packet.readUInt16BE(2));
  const unusedAndMtu = Buffer.from([0, 0, (error.nextHopMtu ?? 0) >> 8, (error.nextHopMtu ?? 0) % 256]);
  const quote = received.subarray(0, 576 - 20 - 8);
  return packetOf({
    source: error.from,
    destination: [...received.subarray(12, 16)].join("."),
    tos: 0xc0,
    identification: 0,
    dontFragment: true,
    protocol: PROTOCOL.icmp,
    payload: icmpPayload(error.type, error.code, Buffer.concat([unusedAndMtu, quote])),
  });
}

/** RFC 1071 by division instead of folding: the sum of 16-bit words modulo 2^16 - 1, complemented. */
export function checksumOf(bytes: Buffer): number {
  let sum = 0;
  bytes.forEach((byte, i) => (sum += i % 2 === 0 ? byte * 256 : byte));
  const remainder = sum % 0xffff;
  return sum > 0 && remainder === 0 ? 0 : 0xffff - remainder;
}

/** The 4 bytes of an address in dotted decimal. */
export function addressBytes(text: string): number[] {
  return text.split(".").map(Number);
}
