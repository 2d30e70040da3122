import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import {
  diffPeers,
  findInvalidPeer,
  findOverlap,
  samePeer,
  sortPeers,
  subnetKey,
} from "../../../src/peers/peer-set.ts";
import { SubnetClaims } from "../../../src/peers/subnet-claims.ts";
import { prefixOf } from "../../support/ipv4.ts";
import { peer, peers, show } from "./leases.ts";

/** Prefixes of a small world, so that they meet. */
const nearPrefix = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 }))
  .map(([value, length]) => Ipv4Prefix.containing(new Ipv4Address(value), length));

describe("diffPeers", () => {
  const [a, b, c] = [
    peer("10.244.1.0/24", "192.0.2.11"),
    peer("10.244.2.0/24", "192.0.2.12"),
    peer("10.244.3.0/24", "192.0.2.13"),
  ];

  it("knows a peer by its subnet", () => {
    const moved = peer("10.244.2.0/24", "192.0.2.99");
    expect(diffPeers([a, b], [moved, c])).toEqual({ added: [c], removed: [a], changed: [moved] });
  });

  it("finds no change between equal sets", () => {
    const copy = [peer("10.244.1.0/24", "192.0.2.11"), peer("10.244.2.0/24", "192.0.2.12")];
    expect(diffPeers([a, b], copy)).toEqual({ added: [], removed: [], changed: [] });
  });

  it("tells prefixes of one address apart", () => {
    const wide = peer("10.244.2.0/23", "192.0.2.12");
    expect(diffPeers([b], [wide])).toEqual({ added: [wide], removed: [b], changed: [] });
  });
});

describe("samePeer", () => {
  const base = peer("10.244.1.0/24", "192.0.2.11", {
    nodeId: "a",
    type: "vxlan",
    data: { VNI: 1, VtepMAC: "02:00:00:00:00:01" },
  });

  it("compares what backends carry by value", () => {
    const data = { VtepMAC: "02:00:00:00:00:01", VNI: 1 };
    expect(samePeer(base, peer("10.244.1.0/24", "192.0.2.11", { nodeId: "a", type: "vxlan", data }))).toBe(
      true,
    );
  });

  it.each([
    ["subnet", { ...base, subnet: prefixOf("10.244.1.0/25") }],
    ["underlayIp", { ...base, underlayIp: new Ipv4Address(1) }],
    ["nodeId", { ...base, nodeId: null }],
    ["backend type", { ...base, backend: { ...base.backend, type: "udp" } }],
    ["backend data", { ...base, backend: { ...base.backend, data: { VNI: 1 } } }],
  ])("sees another %s", (_what, other) => expect(samePeer(base, other)).toBe(false));
});

describe("findInvalidPeer", () => {
  it.each([
    ["two overlap", [peer("10.244.0.0/16", "192.0.2.1"), peer("10.244.1.0/24", "192.0.2.2")], 1],
    [
      "two share the last address",
      [peer("10.244.1.0/24", "192.0.2.1"), peer("10.244.1.255/32", "192.0.2.2")],
      1,
    ],
    ["one comes twice", [...peers(2), ...peers(1, 2)], 2],
    ["two share an address", [peer("10.244.1.0/24", "192.0.2.1"), peer("10.244.2.0/24", "192.0.2.1")], 1],
    ["two are out of order", [peer("10.244.2.0/24", "192.0.2.1"), peer("10.244.1.0/24", "192.0.2.2")], 1],
  ])("finds that %s", (_what, set, index) => expect(findInvalidPeer(set)).toBe(set[index]));

  it("finds nothing in a valid set", () => {
    expect(findInvalidPeer([])).toBeNull();
    expect(findInvalidPeer([peer("0.0.0.0/1", "192.0.2.1"), peer("128.0.0.0/1", "192.0.2.2")])).toBeNull();
  });
});

describe("subnetKey", () => {
  it("differs for every prefix", () => {
    fc.assert(
      fc.property(nearPrefix, nearPrefix, (a, b) => {
        expect(subnetKey(a) === subnetKey(b)).toBe(a.equals(b));
      }),
    );
    expect(subnetKey(prefixOf("10.243.255.255/32"))).not.toBe(subnetKey(prefixOf("10.244.0.0/16")));
    expect(Number.isSafeInteger(subnetKey(prefixOf("255.255.255.255/32")))).toBe(true);
  });
});

/** What a linear scan keeps of `prefixes`, first come first served. */
function claimSlowly(prefixes: readonly Ipv4Prefix[]): Ipv4Prefix[] {
  const kept: Ipv4Prefix[] = [];
  for (const one of prefixes) if (!kept.some((other) => other.overlaps(one))) kept.push(one);
  return kept;
}

describe("SubnetClaims", () => {
  it("takes what a linear scan takes", () => {
    fc.assert(
      fc.property(fc.array(nearPrefix, { maxLength: 30 }), (prefixes) => {
        const claims = new SubnetClaims(prefixes.map(({ length }) => length));
        expect(prefixes.filter((one) => claims.claim(one)).map(String)).toEqual(
          claimSlowly(prefixes).map(String),
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe("findOverlap", () => {
  it("finds what a linear scan finds", () => {
    fc.assert(
      fc.property(fc.array(nearPrefix, { maxLength: 30 }), nearPrefix, (prefixes, wanted) => {
        const set = sortPeers(
          claimSlowly(prefixes).map((subnet, i) => ({ ...peer("10.244.1.0/24", `192.0.2.${i}`), subnet })),
        );
        const overlapping = set.filter(({ subnet }) => subnet.overlaps(wanted));
        const found = findOverlap(set, wanted);
        expect(found !== null).toBe(overlapping.length > 0);
        if (found !== null) expect(show(overlapping)).toContain(show([found])[0]);
      }),
      { numRuns: 500 },
    );
  });
});
