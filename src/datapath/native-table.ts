/** A forwarding table as the addon reads it: `struct fwd_entry` of native/engine/fwd_table.h for each peer. */
import { endianness } from "node:os";
import type { MacAddress } from "../net/mac.ts";
import type { ForwardingEntry } from "./forwarding-table.ts";
import { ipv6BytesOf } from "./ipv6-range.ts";

/**
 * Bytes of one entry; numbers in the machine's order, IPv6 addresses in network order:
 *
 *    0 | first (4) | last (4) | underlay (4) | VTEP MAC (6) | has IPv6 (1) | reserved (13) |
 *   32 | first IPv6 address (16) | last IPv6 address (16) |
 */
const NATIVE_ENTRY_BYTES = 64;

const IS_LITTLE_ENDIAN = endianness() === "LE";

/** Writes every entry, in this order. */
export function writeNativeTable(entries: readonly ForwardingEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * NATIVE_ENTRY_BYTES);
  entries.forEach((entry, i) => {
    const at = i * NATIVE_ENTRY_BYTES;
    writeEntry(bytes.subarray(at, at + NATIVE_ENTRY_BYTES), entry);
  });
  return bytes;
}

function writeEntry(bytes: Uint8Array, { subnet, subnet6, underlayIp, vtepMac }: ForwardingEntry): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(0, subnet.address.value, IS_LITTLE_ENDIAN);
  view.setUint32(4, subnet.last.value, IS_LITTLE_ENDIAN);
  view.setUint32(8, underlayIp.value, IS_LITTLE_ENDIAN);
  if (vtepMac) bytes.set(macBytesOf(vtepMac), 12);
  if (!subnet6) return;
  bytes[18] = 1;
  bytes.set(ipv6BytesOf(subnet6.address), 32);
  bytes.set(ipv6BytesOf(subnet6.last), 48);
}

/** The 6 bytes of an address, in network order. */
export function macBytesOf(mac: MacAddress): Uint8Array {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(mac.value, 0, 6);
  return bytes;
}
