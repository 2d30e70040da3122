/**
 * What lies between the outer UDP header and the inner packet. Bare: nothing (flannel's udp backend). VXLAN: a VXLAN
 * header (RFC 7348 section 5) and an Ethernet header; offsets in bytes:
 *
 *    0 |R R R R I R R R|           reserved (24 bits)                  |
 *    4 |                VNI (24 bits)                  |   reserved    |
 *    8 |      destination MAC address      |      source MAC address   |
 *   20 |           ethertype           | inner packet ...
 */
import type { MacAddress } from "../net/mac.ts";
import { MAX_UDP_PAYLOAD_BYTES } from "./ipv4-header.ts";
import { COUNTER } from "./packet-counters.ts";
import type { CounterIndex } from "./packet-counters.ts";
import type { Framing } from "./packet-engine.ts";

export type VxlanFraming = Extract<Framing, { readonly kind: "vxlan" }>;

/** Length of both headers of VXLAN. */
export const VXLAN_FRAMING_BYTES = 22;

const MAX_VNI = 0xffffff;
const FLAG_I = 0x08;
const VNI_AT = 4;
const DESTINATION_MAC_AT = 8;
const SOURCE_MAC_AT = 14;
const ETHERTYPE_AT = 20;
const MAC_BYTES = 6;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;

/** Bytes in front of every inner packet. */
export function framingBytesOf(framing: Framing): number {
  return framing.kind === "vxlan" ? VXLAN_FRAMING_BYTES : 0;
}

/** Longest inner packet that one UDP datagram holds beside the framing. */
export function maxInnerBytesOf(framing: Framing): number {
  return MAX_UDP_PAYLOAD_BYTES - framingBytesOf(framing);
}

/** Refuses a framing that no frame could carry. @throws {RangeError} when its VNI has more than 24 bits */
export function requireFraming(framing: Framing): void {
  if (framing.kind === "bare") return;
  if (!Number.isInteger(framing.vni) || framing.vni < 0 || framing.vni > MAX_VNI) {
    throw new RangeError(`Cannot frame packets: vni must be 0 to ${MAX_VNI}, got ${framing.vni}`);
  }
}

/**
 * Writes both headers at the start of `out`, for a packet of IP version 4 or 6 to the VTEP `peerMac`. Allocates
 * nothing.
 */
export function writeVxlanFraming(
  out: Buffer,
  framing: VxlanFraming,
  peerMac: MacAddress,
  version: number,
): void {
  out.writeUInt32BE(FLAG_I * 2 ** 24, 0);
  out.writeUInt32BE(framing.vni * 2 ** 8, VNI_AT); // not `vni << 8`: that is negative from 0x800000 on
  out.writeUIntBE(peerMac.value, DESTINATION_MAC_AT, MAC_BYTES);
  out.writeUIntBE(framing.ownMac.value, SOURCE_MAC_AT, MAC_BYTES);
  out.writeUInt16BE(version === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4, ETHERTYPE_AT);
}

/**
 * Looks at the headers of a datagram. Returns `COUNTER.decapDelivered` when an inner packet follows, else the counter
 * of the reason why not. Reserved bits are ignored, as the RFC asks, and so is the source MAC: the outer source
 * address says who sent it.
 */
export function checkVxlanFraming(datagram: Buffer, framing: VxlanFraming): CounterIndex {
  if (datagram.length < VXLAN_FRAMING_BYTES) return COUNTER.decapDropShort;
  if ((datagram.readUInt8(0) & FLAG_I) === 0) return COUNTER.decapDropFrameFlags;
  if (datagram.readUIntBE(VNI_AT, 3) !== framing.vni) return COUNTER.decapDropFrameVni;
  if (datagram.readUIntBE(DESTINATION_MAC_AT, MAC_BYTES) !== framing.ownMac.value) {
    return COUNTER.decapDropFrameMac;
  }
  const type = datagram.readUInt16BE(ETHERTYPE_AT);
  return type === ETHERTYPE_IPV4 || type === ETHERTYPE_IPV6
    ? COUNTER.decapDelivered
    : COUNTER.decapDropFrameType;
}

/** The IP version, 4 or 6, that the headers of a datagram announce; {@link checkVxlanFraming} found no fault. */
export function announcedVersionOf(datagram: Buffer): number {
  return datagram.readUInt16BE(ETHERTYPE_AT) === ETHERTYPE_IPV6 ? 6 : 4;
}
