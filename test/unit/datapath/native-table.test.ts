import { endianness } from "node:os";
import { describe, expect, it } from "vitest";
import type { ForwardingEntry } from "../../../src/datapath/forwarding-table.ts";
import { macBytesOf, writeNativeTable } from "../../../src/datapath/native-table.ts";
import { MacAddress } from "../../../src/net/mac.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";
import { prefix6Of } from "../../support/ipv6.ts";

/** Size of `struct fwd_entry` (native/engine/fwd_table.h). */
const ENTRY_BYTES = 64;
const NO_MAC = "000000000000";
const RESERVED = "00".repeat(13);
const NO_IPV6 = "00" + RESERVED + "00".repeat(32);

const PEER: ForwardingEntry = { subnet: prefixOf("10.244.4.0/22"), underlayIp: addressOf("192.0.2.3") };

/** A 32-bit number as this machine has it in memory. */
function number32(hexInNetworkOrder: string): string {
  const bytes = Buffer.from(hexInNetworkOrder, "hex");
  return (endianness() === "LE" ? bytes.reverse() : bytes).toString("hex");
}

const IPV4 = number32("0af40400") + number32("0af407ff") + number32("c0000203");

describe("writeNativeTable", () => {
  it("writes first, last and underlay address, and zeros for what a peer does not have", () => {
    const hex = Buffer.from(writeNativeTable([PEER])).toString("hex");
    expect(hex).toBe(IPV4 + NO_MAC + NO_IPV6);
    expect(hex).toHaveLength(2 * ENTRY_BYTES);
    expect(writeNativeTable([{ ...PEER, subnet6: null, vtepMac: null }])).toEqual(writeNativeTable([PEER]));
  });

  it("writes the VTEP's MAC and the IPv6 range in network order", () => {
    const entry = {
      ...PEER,
      subnet6: prefix6Of("2001:db8:0:2::/64"),
      vtepMac: new MacAddress(0x00005e00530a),
    };
    const ipv6 = "20010db8000000020000000000000000" + "20010db800000002ffffffffffffffff";
    expect(Buffer.from(writeNativeTable([entry])).toString("hex")).toBe(
      IPV4 + "00005e00530a" + "01" + RESERVED + ipv6,
    );
  });

  it("writes one entry after the other, in their order, and nothing for none", () => {
    const other = { ...PEER, underlayIp: addressOf("192.0.2.4") };
    expect(writeNativeTable([PEER, other, PEER])).toEqual(
      new Uint8Array(Buffer.concat([PEER, other, PEER].map((entry) => writeNativeTable([entry])))),
    );
    expect(writeNativeTable([])).toHaveLength(0);
  });
});

describe("macBytesOf", () => {
  it.each([
    [0, NO_MAC],
    [0x0200_0000_0001, "020000000001"],
    [2 ** 48 - 1, "ffffffffffff"],
  ])("gives the bytes of %d", (value, hex) => {
    expect(Buffer.from(macBytesOf(new MacAddress(value))).toString("hex")).toBe(hex);
  });
});
