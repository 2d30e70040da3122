import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EMPTY_FORWARDING_TABLE,
  ForwardingTable,
  NO_PEER,
  refuseMissingMacs,
} from "../../../src/datapath/forwarding-table.ts";
import type { ForwardingEntry } from "../../../src/datapath/forwarding-table.ts";
import { ipv6BytesOf } from "../../../src/datapath/ipv6-range.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { Ipv6Address, Ipv6Prefix } from "../../../src/net/ipv6.ts";
import { tableOf } from "../../support/engine-bench.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";
import { prefix6Of } from "../../support/ipv6.ts";

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

describe("ForwardingTable.peerOfDestination6", () => {
  it("finds the same owner as a scan of all entries, at the edges of every subnet and anywhere", () => {
    fc.assert(
      fc.property(arbitraryEntries6(), fc.array(arbitraryAddress6()), (entries, anywhere) => {
        const table = new ForwardingTable({ entries });
        const edges = entries.flatMap(({ subnet6 }) =>
          subnet6 === null || subnet6 === undefined ? [] : [subnet6.address.value, subnet6.last.value],
        );
        const aroundEdges = edges
          .flatMap((edge) => [edge - 1n, edge, edge + 1n])
          .filter((value) => value >= 0n && value < 2n ** 128n);
        for (const value of [...aroundEdges, ...anywhere]) {
          const address = new Ipv6Address(value);
          const packet = Buffer.concat([Buffer.alloc(3, 0xff), ipv6BytesOf(address), Buffer.alloc(3)]);
          const owner = table.entries.findIndex(({ subnet6 }) => subnet6?.contains(address) === true);
          expect(table.peerOfDestination6(packet, 3)).toBe(owner);
          for (const [peer, { subnet6 }] of table.entries.entries()) {
            expect(table.isInSubnet6Of(peer, packet, 3)).toBe(subnet6?.contains(address) === true);
          }
        }
      }),
      { verbose: true },
    );
  });

  it("takes a default route for every address, and an empty table for none", () => {
    const everything = tableOf([{ subnet: "0.0.0.0/0", subnet6: "::/0", underlayIp: "192.0.2.2" }]);
    for (const bytes of [Buffer.alloc(16), Buffer.alloc(16, 0xff)]) {
      expect(everything.peerOfDestination6(bytes, 0)).toBe(0);
      expect(EMPTY_FORWARDING_TABLE.peerOfDestination6(bytes, 0)).toBe(NO_PEER);
    }
  });
});

describe("ForwardingTable and IPv6 subnets", () => {
  const subnet6 = "2001:db8:0:4::/62";

  it("refuses two that overlap, whatever the order of the entries", () => {
    const [a, b] = [
      { ...PEER_A, subnet6: "2001:db8:0:6::/64" },
      { ...PEER_B, subnet6 },
    ];
    const message = "Cannot make a forwarding table: 2001:db8:0:4::/62 and 2001:db8:0:6::/64 overlap";
    expect(() => tableOf([a, b])).toThrow(new RangeError(message));
    expect(() =>
      tableOf([
        { ...b, subnet: PEER_A.subnet },
        { ...a, subnet: PEER_B.subnet },
      ]),
    ).toThrow(message);
    expect(() => tableOf([a, { ...PEER_B, subnet6: "2001:db8:0:7::/64" }])).not.toThrow();
  });

  it("refuses one that overlaps the own subnet", () => {
    const { entries } = tableOf([PEER_A, { ...PEER_B, subnet6 }]);
    expect(() => new ForwardingTable({ ownSubnet6: prefix6Of("2001:db8:0:5::/64"), entries })).toThrow(
      new RangeError("Cannot make a forwarding table: 2001:db8:0:5::/64 and 2001:db8:0:4::/62 overlap"),
    );
    expect(() => new ForwardingTable({ ownSubnet6: prefix6Of("2001:db8:0:8::/64"), entries })).not.toThrow();
  });
});

describe("refuseMissingMacs", () => {
  it("names the entry that has none", () => {
    const withMac = { ...PEER_B, vtepMac: "00:00:5e:00:53:0b" };
    expect(() => {
      refuseMissingMacs(tableOf([withMac, PEER_A]));
    }).toThrow(new RangeError("Cannot use the forwarding table for VXLAN: 10.244.2.0/24 has no vtepMac"));
    expect(() => {
      refuseMissingMacs(tableOf([withMac]));
    }).not.toThrow();
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
    expect(table.isInSubnet6Of(2, Buffer.alloc(16), 0)).toBe(false);
    expect(() => table.underlayOf(2)).toThrow(
      "Cannot address peer 2: none of the 2 entries of the forwarding table has an underlay address for it",
    );
    expect(() => table.vtepMacOf(0)).toThrow(/^Cannot address peer 0: .* has a VTEP for it$/);
  });
});

function scan(entries: readonly ForwardingEntry[], address: Ipv4Address): number {
  return entries.findIndex(({ subnet }) => subnet.contains(address));
}

function arbitraryAddress(): fc.Arbitrary<number> {
  return fc.integer({ min: 0, max: 2 ** 32 - 1 });
}

function arbitraryAddress6(): fc.Arbitrary<bigint> {
  return fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
}

/** Up to 60 prefixes of /16 to /128 that do not overlap, in any order of their owners; every 5th has none. */
function arbitraryEntries6(): fc.Arbitrary<ForwardingEntry[]> {
  const base = 0x20010db8n << 96n;
  const near = fc.bigInt({ min: base, max: base + (1n << 68n) });
  const prefix = fc
    .tuple(fc.oneof(near, arbitraryAddress6()), fc.integer({ min: 16, max: 128 }))
    .map(([value, length]) => Ipv6Prefix.containing(new Ipv6Address(value), length));
  return fc.array(prefix, { maxLength: 60 }).map((prefixes) =>
    prefixes
      .filter((one, i) => !prefixes.slice(0, i).some((other) => other.overlaps(one)))
      .map((subnet6, i) => ({
        subnet: new Ipv4Prefix(new Ipv4Address(0x0a000000 + i * 256), 24),
        subnet6: i % 5 === 4 ? null : subnet6,
        underlayIp: new Ipv4Address(0xc0000200 + i),
      })),
  );
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
