/**
 * A captured packet in words, from the outside in. Told apart by the first byte: 0x45 and up of an IPv4 packet, flags with
 * the bit I of a VXLAN header (RFC 7348 section 5).
 *
 *   [ IPv4 20 | UDP 8 | the pod's packet ]                            udp
 *   [ IPv4 20 | UDP 8 | VXLAN 8 | Ethernet 14 | the pod's packet ]    vxlan
 *   [ the pod's packet ]                                              host-gw, direct routing
 */
import { MacAddress } from "../../net/mac.ts";
import { decodeIpv4 } from "./packet-capture.ts";
import type { CapturedPacket } from "./packet-capture.ts";

const PROTOCOL_UDP = 17;
const UDP_HEADER_BYTES = 8; // RFC 768
const VXLAN_HEADER_BYTES = 8;
const VXLAN_FLAG_I = 0x08;
const VNI_OFFSET = 4;
const ETHERNET_HEADER_BYTES = 14;
const MAC_BYTES = 6;

/** Addresses, size and TTL. */
export function describePacket(packet: CapturedPacket): string {
  return `${packet.source} > ${packet.destination}, ${packet.totalBytes} bytes, TTL ${packet.ipTtl}`;
}

/** What crosses the underlay, one line for each layer that was put around the pod's packet, and one for that. */
export function describeCarried(packet: CapturedPacket): string[] {
  if (packet.protocol !== PROTOCOL_UDP || packet.payload.length < UDP_HEADER_BYTES)
    return [`${describePacket(packet)}, not encapsulated`];
  const [sourcePort, destinationPort] = [packet.payload.readUInt16BE(0), packet.payload.readUInt16BE(2)];
  const ends = `${packet.source}:${sourcePort} > ${packet.destination}:${destinationPort}`;
  return [
    `${ends}, UDP, ${packet.totalBytes} bytes, TTL ${packet.ipTtl}`,
    ...describeDatagram(packet.payload.subarray(UDP_HEADER_BYTES)),
  ];
}

function describeDatagram(datagram: Buffer): string[] {
  const bare = decodeIpv4(datagram);
  if (bare !== null) return [describePacket(bare)];
  const frame = datagram.subarray(VXLAN_HEADER_BYTES);
  if (((datagram[0] ?? 0) & VXLAN_FLAG_I) === 0 || frame.length < ETHERNET_HEADER_BYTES)
    return ["neither IP nor VXLAN"];
  const vni = datagram.readUIntBE(VNI_OFFSET, 3);
  const [destination, source] = [macAt(frame, 0), macAt(frame, MAC_BYTES)];
  const inner = decodeIpv4(frame.subarray(ETHERNET_HEADER_BYTES));
  return [
    `VXLAN, VNI ${vni}, ${source} > ${destination}`,
    inner === null ? "no IP packet" : describePacket(inner),
  ];
}

function macAt(frame: Buffer, offset: number): string {
  return new MacAddress(frame.readUIntBE(offset, MAC_BYTES)).toString();
}
