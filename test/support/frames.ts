/** VXLAN frames for tests, written down as RFC 7348 section 5 draws them. Shares no line with src/datapath. */
import { VNI, VTEP_MACS } from "./packet-addresses.ts";

/** What a test wants different from a right frame to our VTEP. */
export interface FrameFields {
  /** All 8 bits; the I flag is 0x08. */
  readonly flags?: number;
  /** The 24 bits behind the flags, in hex. */
  readonly reserved?: string;
  readonly vni?: number;
  /** The byte behind the VNI. */
  readonly lastByte?: number;
  readonly destinationMac?: string;
  readonly sourceMac?: string;
  /** In hex. Default: what the packet's own version asks for. */
  readonly ethertype?: string;
}

/** A packet with the headers of VXLAN in front; from peer A to us where `fields` does not say otherwise. */
export function frameOf(packet: Buffer, fields: FrameFields = {}): Buffer {
  const hex = (value: number, bytes: number): string => value.toString(16).padStart(2 * bytes, "0");
  const mac = (text: string): string => text.replaceAll(":", "");
  const header = [
    hex(fields.flags ?? 0x08, 1),
    fields.reserved ?? "000000",
    hex(fields.vni ?? VNI, 3),
    hex(fields.lastByte ?? 0, 1),
    mac(fields.destinationMac ?? VTEP_MACS.own),
    mac(fields.sourceMac ?? VTEP_MACS.peerA),
    fields.ethertype ?? (packet.length > 0 && packet.readUInt8(0) >= 0x60 ? "86dd" : "0800"),
  ].join("");
  return Buffer.concat([Buffer.from(header, "hex"), packet]);
}
