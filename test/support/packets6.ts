/**
 * IPv6 packets for tests, and a naive model of what becomes of them: packets.ts for the other family. It shares no
 * line with src/datapath either.
 */
import { checksumOf, countingBytes } from "./packets.ts";

/** What a test wants different from a plain UDP packet. Without a value, a field is what makes the packet right. */
export interface Packet6Fields {
  readonly source?: string;
  readonly destination?: string;
  readonly hopLimit?: number;
  readonly nextHeader?: number;
  readonly payload?: Buffer;
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly version?: number;
  readonly payloadLength?: number;
  /** Bytes after the end that the payload length tells of. */
  readonly padding?: Buffer;
}

/** Numbers of extension headers and upper protocols (IANA, "Assigned Internet Protocol Numbers"). */
export const NEXT_HEADER = {
  hopByHop: 0,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  esp: 50,
  icmp: 58,
  none: 59,
  destination: 60,
};

/** An IPv6 packet of these fields; without any, a UDP packet of 84 bytes from own pod to a pod of peer A. */
export function packet6Of(fields: Packet6Fields = {}): Buffer {
  const payload = fields.payload ?? countingBytes(44);
  const first =
    (fields.version ?? 6) * 2 ** 28 + (fields.trafficClass ?? 0) * 2 ** 20 + (fields.flowLabel ?? 0);
  const header = Buffer.alloc(40);
  header.writeUInt32BE(first, 0);
  header.writeUInt16BE(fields.payloadLength ?? payload.length, 4);
  header[6] = fields.nextHeader ?? NEXT_HEADER.udp;
  header[7] = fields.hopLimit ?? 64;
  header.set(address6Bytes(fields.source ?? "2001:db8:0:1::5"), 8);
  header.set(address6Bytes(fields.destination ?? "2001:db8:0:2::7"), 24);
  return Buffer.concat([header, payload, fields.padding ?? Buffer.alloc(0)]);
}

/** Payload that makes a packet this long in all. */
export function bytesFor6(totalLength: number): Buffer {
  return countingBytes(totalLength - 40);
}

/** One link of a chain of extension headers. */
export interface Extension {
  readonly type: number;
  /** In units of 8 bytes, the first not counted: what the header says of its own length. */
  readonly length?: number;
  /** In units of 8 bytes. Of a fragment header alone. */
  readonly fragmentOffset?: number;
}

/** A packet with extension headers, each as long as it says, in front of `payload` of protocol `upper`. */
export function packet6With(
  extensions: readonly Extension[],
  upper: number,
  fields: Packet6Fields = {},
): Buffer {
  const types = [...extensions.map(({ type }) => type), upper];
  const headers = extensions.map(({ type, length = 0, fragmentOffset = 0 }, i) => {
    const header = Buffer.alloc(8 + 8 * length);
    header[0] = types[i + 1] ?? upper;
    if (type === NEXT_HEADER.fragment)
      header.writeUInt16BE(fragmentOffset * 8 + 1, 2); // more fragments follow
    else header[1] = length;
    return header;
  });
  const payload = Buffer.concat([...headers, fields.payload ?? countingBytes(24)]);
  return packet6Of({ ...fields, nextHeader: types[0] ?? upper, payload });
}

/** An ICMPv6 message as payload: type, code, a checksum that nobody looks at, then `rest`. */
export function icmp6Payload(type: number, code = 0, rest = countingBytes(12)): Buffer {
  return Buffer.concat([Buffer.from([type, code, 0xab, 0xcd]), rest]);
}

/** The packet one hop further: without padding, one less to live. */
export function oneHopFurther6(packet: Buffer): Buffer {
  const next = Buffer.from(packet.subarray(0, 40 + packet.readUInt16BE(4)));
  next[7] = next.readUInt8(7) - 1;
  return next;
}

/** The ICMPv6 error that the node at `from` sends about a packet. */
export function icmp6ErrorAbout(
  packet: Buffer,
  error: { readonly from: string; readonly type: number; readonly mtu?: number },
): Buffer {
  const received = packet.subarray(0, 40 + packet.readUInt16BE(4));
  const body = Buffer.alloc(8);
  body[0] = error.type;
  body.writeUInt32BE(error.mtu ?? 0, 4);
  const message = Buffer.concat([body, received.subarray(0, 1280 - 40 - 8)]);
  const source = address6Bytes(error.from);
  const destination = received.subarray(8, 24);
  message.writeUInt16BE(checksum6Of(source, destination, NEXT_HEADER.icmp, message), 2);
  return packet6Of({
    source: error.from,
    destination: textOf(destination),
    trafficClass: 0xc0,
    nextHeader: NEXT_HEADER.icmp,
    payload: message,
  });
}

/** Checksum of an upper-layer message whose own checksum field is zero, with the pseudo-header written out. */
export function checksum6Of(source: Buffer, destination: Buffer, protocol: number, message: Buffer): number {
  const pseudoHeader = Buffer.alloc(40);
  pseudoHeader.set(source, 0);
  pseudoHeader.set(destination, 16);
  pseudoHeader.writeUInt32BE(message.length, 32);
  pseudoHeader[39] = protocol;
  return checksumOf(Buffer.concat([pseudoHeader, message]));
}

/** The 16 bytes of an address in hex groups, of which `::` stands for as many zeros as are missing. */
export function address6Bytes(text: string): Buffer {
  const [before = [], after = []] = text
    .split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  const groups = [...before, ...zeros, ...after].map((group) => group.padStart(4, "0"));
  return Buffer.from(groups.join(""), "hex");
}

function textOf(address: Buffer): string {
  return address.toString("hex").match(/.{4}/g)?.join(":") ?? "";
}
