/**
 * What the kernel does with what a packet engine writes to a TUN with a virtio-net header (include/uapi/linux/
 * virtio_net.h, native byte order):
 *
 *    0 | flags | gso_type |  hdr_len  | gso_size  | csum_start | csum_offset |   1 + 1 + 4 * 2 bytes
 *   10 | the packet
 *
 * Finishes checksums and cuts runs as net/ipv4/tcp_offload.c and udp_offload.c do, one byte after the other. Like the
 * kernel it goes by the partial sum it finds in the packet, so a wrong one shows as a wrong checksum. What the kernel
 * would refuse throws.
 */
import { endianness } from "node:os";
import { checksumOf } from "./packets.ts";

export const VNET_HEADER_BYTES = 10;

const NEEDS_CSUM = 1;
const GSO_ECN = 0x80;
const GSO = { none: 0, tcpV4: 1, tcpV6: 4, udpL4: 5 };
const TCP_FIN_PSH = 0x09;
const TCP_CWR = 0x80;

interface VnetHeader {
  readonly needsChecksum: boolean;
  readonly gsoType: number;
  readonly gsoSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

/** A packet as it goes to the TUN of an engine: a header that says nothing in front. */
export function withVnetHeader(packet: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(VNET_HEADER_BYTES), packet]);
}

/** The packets that the kernel makes of one write to the TUN. @throws {Error} when it would refuse the write */
export function readVnetPackets(written: Buffer): Buffer[] {
  const vnet = readHeader(written);
  const packet = Buffer.from(written.subarray(VNET_HEADER_BYTES));
  if (vnet.gsoType !== GSO.none) return cutRun(packet, vnet);
  return [vnet.needsChecksum ? finishChecksum(packet, vnet) : packet];
}

function readHeader(written: Buffer): VnetHeader {
  const read16 = (at: number): number =>
    endianness() === "LE" ? written.readUInt16LE(at) : written.readUInt16BE(at);
  require(written.length > VNET_HEADER_BYTES, "nothing behind the header");
  require(read16(2) <= written.length - VNET_HEADER_BYTES, "hdr_len is behind the end");
  return {
    needsChecksum: (written.readUInt8(0) & NEEDS_CSUM) !== 0,
    gsoType: written.readUInt8(1) & ~GSO_ECN,
    gsoSize: read16(4),
    checksumStart: read16(6),
    checksumOffset: read16(8),
  };
}

function finishChecksum(packet: Buffer, vnet: VnetHeader): Buffer {
  const at = vnet.checksumStart + vnet.checksumOffset;
  require(at + 2 <= packet.length, "the checksum lies behind the end");
  writeChecksum(packet, vnet.checksumStart, at, packet.readUInt16BE(at));
  return packet;
}

function cutRun(packet: Buffer, vnet: VnetHeader): Buffer[] {
  const ip = describeIp(packet);
  const isUdp = vnet.gsoType === GSO.udpL4;
  const version = { [GSO.tcpV4]: 4, [GSO.tcpV6]: 6, [GSO.udpL4]: ip.version }[vnet.gsoType];
  require(version === ip.version, `gso_type ${vnet.gsoType} of an IPv${ip.version} packet`);
  require(ip.protocol === (isUdp ? 17 : 6), `gso_type ${vnet.gsoType} of protocol ${ip.protocol}`);
  require(ip.totalLength === packet.length, "the packet is not as long as it says");
  require(vnet.needsChecksum && vnet.gsoSize > 0, "a run without partial checksum or segment size");
  require(vnet.checksumStart === ip.headerBytes, "csum_start is not behind the IP header");
  require(vnet.checksumOffset === (isUdp ? 6 : 16), "csum_offset is not that of the protocol");

  const transportBytes = isUdp ? 8 : (packet.readUInt8(ip.headerBytes + 12) >> 4) * 4;
  const payload = packet.subarray(ip.headerBytes + transportBytes);
  const headers = packet.subarray(0, ip.headerBytes + transportBytes);
  const count = Math.ceil(payload.length / vnet.gsoSize);
  require(count > 0, "a run without payload");
  return Array.from({ length: count }, (_, i) => {
    const part = payload.subarray(i * vnet.gsoSize, (i + 1) * vnet.gsoSize);
    const segment = Buffer.concat([headers, part]);
    mendIp(segment, ip, i);
    if (isUdp) segment.writeUInt16BE(8 + part.length, ip.headerBytes + 4);
    else mendTcp(segment.subarray(ip.headerBytes), i * vnet.gsoSize, i === 0, i === count - 1);
    mendChecksum(segment, packet, vnet, isUdp);
    return segment;
  });
}

interface IpHeader {
  readonly version: number;
  readonly headerBytes: number;
  readonly totalLength: number;
  readonly protocol: number;
}

function describeIp(packet: Buffer): IpHeader {
  const version = packet.readUInt8(0) >> 4;
  if (version === 6) {
    const totalLength = 40 + packet.readUInt16BE(4);
    return { version, headerBytes: 40, totalLength, protocol: packet.readUInt8(6) };
  }
  const headerBytes = (packet.readUInt8(0) % 16) * 4;
  const isRight = checksumOf(packet.subarray(0, headerBytes)) === 0;
  require(version === 4 && isRight, "neither IPv6 nor IPv4 with a right checksum");
  return { version, headerBytes, totalLength: packet.readUInt16BE(2), protocol: packet.readUInt8(9) };
}

function mendIp(segment: Buffer, ip: IpHeader, index: number): void {
  if (ip.version === 6) {
    segment.writeUInt16BE(segment.length - 40, 4);
    return;
  }
  segment.writeUInt16BE(segment.length, 2);
  segment.writeUInt16BE((segment.readUInt16BE(4) + index) % 2 ** 16, 4);
  segment.writeUInt16BE(0, 10);
  segment.writeUInt16BE(checksumOf(segment.subarray(0, ip.headerBytes)), 10);
}

function mendTcp(tcp: Buffer, offset: number, isFirst: boolean, isLast: boolean): void {
  tcp.writeUInt32BE((tcp.readUInt32BE(4) + offset) % 2 ** 32, 4);
  const flags = tcp.readUInt8(13);
  tcp[13] = flags & ~(isLast ? 0 : TCP_FIN_PSH) & ~(isFirst ? 0 : TCP_CWR);
}

/** The partial sum holds the length of the whole run: that is taken out, and the segment's own put in. */
function mendChecksum(segment: Buffer, run: Buffer, vnet: VnetHeader, isUdp: boolean): void {
  const at = vnet.checksumStart + vnet.checksumOffset;
  const transportBytes = segment.length - vnet.checksumStart;
  const lengthOfRun = run.length - vnet.checksumStart;
  const partial = (run.readUInt16BE(at) + (0xffff - (lengthOfRun % 0xffff)) + transportBytes) % 0xffff;
  writeChecksum(segment, vnet.checksumStart, at, partial);
  if (isUdp && segment.readUInt16BE(at) === 0) segment.writeUInt16BE(0xffff, at);
}

function writeChecksum(packet: Buffer, start: number, at: number, partial: number): void {
  packet.writeUInt16BE(partial, at);
  packet.writeUInt16BE(checksumOf(packet.subarray(start)), at);
}

function require(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`The kernel refuses the write: ${what}`);
}
