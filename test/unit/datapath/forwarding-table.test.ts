import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EMPTY_FORWARDING_TABLE, ForwardingTable, NO_PEER } from "../../../src/datapath/forwarding-table.ts";
import type { ForwardingEntry } from "../../../src/datapath/forwarding-table.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { tableOf } from "../../support/engine-bench.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

const PEER_A = { subnet: "10.244.2.0/24", underlayIp: "192.0.2.2" };
const PEER_B = { subnet: "10.244.4.0/22", underlayIp: "192.0.2.3" };

describe("ForwardingTable", () => {
  it("keeps its entries in the order of the subnets", () => {
    const { entries } = tableOf([PEER_B, PEER_A]);
    expect(entries.map(({ subnet }) => subnet.toString())).toEqual([PEER_A.subnet, PEER_B.subnet]);
  });

  it("refuses an entry inside another, in either order", () => {
    const inside = { subnet: "10.244.6.0/24", underlayIp: "192.0.2.4" };
    const message = "Cannot make a forwarding table: 10.244.4.0/22 and 10.244.6.0/24 overlap";
    expect(() => tableOf([PEER_A, PEER_B, inside])).toThrow(new RangeError(message));
    expect(() => tableOf([inside, PEER_B, PEER_A])).toThrow(new RangeError(message));
  });

  it("refuses two entries for one subnet, and two for one underlay address", () => {
    expect(() => tableOf([PEER_A, { ...PEER_A, underlayIp: "192.0.2.9" }])).toThrow(
      /10\.244\.2\.0\/24 overlap$/,
    );
    expect(() => tableOf([PEER_A, { ...PEER_B, underlayIp: PEER_A.underlayIp }])).toThrow(
      /share an underlay address$/,
    );
  });

  it("refuses an entry that overlaps the own subnet", () => {
    const entries = [{ subnet: prefixOf(PEER_B.subnet), underlayIp: addressOf(PEER_B.underlayIp) }];
    expect(() => new ForwardingTable({ ownSubnet: prefixOf("10.244.7.0/24"), entries })).toThrow(
      new RangeError("Cannot make a forwarding table: 10.244.7.0/24 and 10.244.4.0/22 overlap"),
    );
    expect(() => new ForwardingTable({ ownSubnet: prefixOf("10.244.8.0/24"), entries })).not.toThrow();
  });

  it("is not changed by a change of what it was made of", () => {
    const entries = [{ subnet: prefixOf(PEER_A.subnet), underlayIp: addressOf(PEER_A.underlayIp) }];
    const table = new ForwardingTable({ entries });
    entries.pop();
    expect(table.entries).toHaveLength(1);
  });
});

describe("ForwardingTable.peerOfDestination", () => {
  it("finds the same owner as a scan of all entries, at the edges of every subnet and anywhere", () => {
    fc.assert(
      fc.property(arbitraryEntries(), fc.array(arbitraryAddress()), (entries, anywhere) => {
        const table = new ForwardingTable({ entries });
        const edges = entries.flatMap(({ subnet }) => [subnet.address.value, subnet.last.value]);
        const aroundEdges = edges
          .flatMap((edge) => [edge - 1, edge, edge + 1])
          .filter((value) => value >= 0 && value < 2 ** 32);
        for (const value of [...aroundEdges, ...anywhere]) {
          expect(table.peerOfDestination(value)).toBe(scan(table.entries, new Ipv4Address(value)));
        }
      }),
      { verbose: true }, // a failure prints its seed and the least table that shows it
    );
  });

  it("takes a default route for every address, and an empty table for none", () => {
    const everything = tableOf([{ subnet: "0.0.0.0/0", underlayIp: "192.0.2.2" }]);
    expect([0, 2 ** 31, 2 ** 32 - 1].map((value) => everything.peerOfDestination(value))).toEqual([0, 0, 0]);
    expect(EMPTY_FORWARDING_TABLE.peerOfDestination(0)).toBe(NO_PEER);
  });
});

describe("ForwardingTable and its peers", () => {
  const table = tableOf([PEER_A, PEER_B]);
  const at = (text: string): number => addressOf(text).value;

  it("finds a peer by its underlay address, and nobody by another", () => {
    expect(table.peerOfUnderlay("192.0.2.3")).toBe(1);
    expect(table.peerOfUnderlay("192.0.2.4")).toBe(NO_PEER);
    expect(table.peerOfUnderlay("__proto__")).toBe(NO_PEER);
    expect(table.underlayOf(1)).toBe("192.0.2.3");
  });

  it("knows what is in a peer's subnet, and which of it is a host", () => {
    expect([at("10.244.4.0"), at("10.244.7.255")].map((value) => table.isInSubnetOf(1, value))).toEqual([
      true,
      true,
    ]);
    expect([at("10.244.3.255"), at("10.244.8.0")].map((value) => table.isInSubnetOf(1, value))).toEqual([
      false,
      false,
    ]);
    expect([at("10.244.4.0"), at("10.244.7.255")].map((value) => table.isHostOf(1, value))).toEqual([
      true,
      false,
    ]);
  });

  it("has nothing for a peer that it does not hold", () => {
    expect([NO_PEER, 2].map((peer) => table.isInSubnetOf(peer, at("10.244.2.1")))).toEqual([false, false]);
    expect(() => table.underlayOf(2)).toThrow("Cannot address peer 2: the forwarding table has 2 entries");
  });
});

function scan(entries: readonly ForwardingEntry[], address: Ipv4Address): number {
  return entries.findIndex(({ subnet }) => subnet.contains(address));
}

function arbitraryAddress(): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: 2 ** 32 - 1 });
}

/** Up to 200 prefixes of /8 to /32 that do not overlap, half of them close to each other as in one overlay. */
function arbitraryEntries(): fc.Arbitrary<ForwardingEntry[]> {
  const near = fc.integer({ min: 0x0af40000, max: 0x0af4ffff });
  const prefix = fc
    .tuple(fc.oneof(near, arbitraryAddress()), fc.integer({ min: 8, max: 32 }))
    .map(([value, length]) => Ipv4Prefix.containing(new Ipv4Address(value), length));
  return fc
    .array(prefix, { maxLength: 200 })
    .map((prefixes) =>
      prefixes
        .filter((one, i) => !prefixes.slice(0, i).some((other) => other.overlaps(one)))
        .map((subnet, i) => ({ subnet, underlayIp: new Ipv4Address(0xc0000200 + i) })),
    );
}
