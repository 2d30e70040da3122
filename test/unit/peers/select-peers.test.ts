import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { findFault, isCarriedBy } from "../../../src/peers/peer-rules.ts";
import { findInvalidPeer, MAX_PEERS } from "../../../src/peers/peer-set.ts";
import type { PeerPlace } from "../../../src/peers/peer-rules.ts";
import { selectPeers } from "../../../src/peers/select-peers.ts";
import type { PeerSelection, RejectReason } from "../../../src/peers/select-peers.ts";
import type { SubnetLease } from "../../../src/subnet-lease/lease.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";
import { arbitraryLeases, lease, peer, place, self, show, view } from "./leases.ts";

function select(...leases: SubnetLease[]): PeerSelection {
  return selectPeers(view(leases), self, place);
}

function reasons({ rejected }: PeerSelection): string[] {
  return rejected.map(({ lease: { subnet }, reason }) => `${subnet.toString()} ${reason}`);
}

const GOOD = lease("10.244.1.0/24", "192.0.2.11");

/** A backend whose nodes are known by a text in their data, as vxlan's are by their MAC. */
const vxlanPlace: PeerPlace = {
  ...place,
  backendType: "vxlan",
  identityOf: ({ data }) => (typeof data === "string" ? data : null),
  ownIdentity: "02:00:00:00:00:01",
};

describe("selectPeers with data that must differ", () => {
  const vxlan = (third: number, data: string | null, createRevision = third): SubnetLease =>
    lease(`10.244.${third}.0/24`, `192.0.2.${100 + third}`, { type: "vxlan", data, createRevision });

  it("leaves out who has the data of an older lease, in whatever order they come", () => {
    const leases = [vxlan(4, "02:00:00:00:00:04", 9), vxlan(5, "02:00:00:00:00:04", 8)];
    for (const order of [leases, leases.toReversed()]) {
      const selection = selectPeers(view(order), self, vxlanPlace);
      expect(show(selection.peers)).toEqual(["10.244.5.0/24 via 192.0.2.105"]);
      expect(reasons(selection)).toEqual(["10.244.4.0/24 same-backend-data-as-older-lease"]);
    }
  });

  it("leaves out who has no usable data, and who has ours", () => {
    const selection = selectPeers(
      view([vxlan(4, null), vxlan(5, "02:00:00:00:00:01"), vxlan(6, "02:00:00:00:00:06")]),
      self,
      vxlanPlace,
    );
    expect(show(selection.peers)).toEqual(["10.244.6.0/24 via 192.0.2.106"]);
    expect(reasons(selection)).toEqual([
      "10.244.4.0/24 backend-data-invalid",
      "10.244.5.0/24 backend-data-own",
    ]);
  });

  it("does not judge the data of another backend", () => {
    const selection = selectPeers(view([lease("10.244.4.0/24", "192.0.2.104")]), self, vxlanPlace);
    expect(reasons(selection)).toEqual(["10.244.4.0/24 other-backend"]);
  });
});

describe("selectPeers", () => {
  it("takes the leases of flannel and twill nodes, in the order of their subnets", () => {
    const twill = lease("10.244.2.0/24", "192.0.2.12", { nodeId: "node-b", data: { Port: 8285 } });
    expect(select(twill, GOOD)).toEqual({
      peers: [
        peer("10.244.1.0/24", "192.0.2.11"),
        peer("10.244.2.0/24", "192.0.2.12", { nodeId: "node-b", data: { Port: 8285 } }),
      ],
      rejected: [],
    });
  });

  it("gives no peers for no leases", () => expect(select()).toEqual({ peers: [], rejected: [] }));

  const FAULTS: [reason: RejectReason, what: string, bad: SubnetLease][] = [
    ["own", "our own lease", lease("10.244.0.0/24", "192.0.2.10", { nodeId: "node-self" })],
    [
      "own",
      "our own lease with an address we had",
      lease("10.244.0.0/24", "192.0.2.99", { nodeId: "node-self" }),
    ],
    ["own", "a stale lease of ours", lease("10.244.9.0/24", "192.0.2.99", { nodeId: "node-self" })],
    ["own", "a flannel lease at our address", lease("10.244.9.0/24", "192.0.2.10")],
    ["outside-network", "a foreign range", lease("192.168.77.0/24", "192.0.2.12")],
    ["outside-network", "the default route", lease("0.0.0.0/0", "192.0.2.12")],
    ["outside-network", "a range around ours", lease("10.0.0.0/8", "192.0.2.12")],
    [
      "overlaps-own-subnet",
      "our subnet, of another node",
      lease("10.244.0.0/24", "192.0.2.12", { nodeId: "node-b" }),
    ],
    ["overlaps-own-subnet", "our subnet, of another flannel", lease("10.244.0.0/24", "192.0.2.12")],
    ["overlaps-own-subnet", "a part of our subnet", lease("10.244.0.128/25", "192.0.2.12")],
    ["overlaps-own-subnet", "more than our subnet", lease("10.244.0.0/16", "192.0.2.12")],
    [
      "next-hop-self",
      "our address, of another node",
      lease("10.244.2.0/24", "192.0.2.10", { nodeId: "node-b" }),
    ],
    ["next-hop-invalid", "this network", lease("10.244.2.0/24", "0.0.0.0")],
    ["next-hop-invalid", "0/8", lease("10.244.2.0/24", "0.1.2.3")],
    ["next-hop-invalid", "loopback", lease("10.244.2.0/24", "127.0.0.1")],
    ["next-hop-invalid", "multicast", lease("10.244.2.0/24", "224.0.0.1")],
    ["next-hop-invalid", "class E", lease("10.244.2.0/24", "240.0.0.1")],
    ["next-hop-invalid", "broadcast", lease("10.244.2.0/24", "255.255.255.255")],
    ["next-hop-invalid", "our network's broadcast", lease("10.244.2.0/24", "192.0.2.255")],
    ["next-hop-invalid", "our network itself", lease("10.244.2.0/24", "192.0.2.0")],
    ["next-hop-invalid", "link-local", lease("10.244.2.0/24", "169.254.169.254")],
    ["next-hop-in-overlay", "an overlay address", lease("10.244.2.0/24", "10.244.1.5")],
    ["other-backend", "a vxlan node", lease("10.244.2.0/24", "192.0.2.12", { type: "vxlan" })],
    ["other-backend", "a backend nobody knows", lease("10.244.2.0/24", "192.0.2.12", { type: "pigeon" })],
  ];
  it.each(FAULTS)("rejects as %s: %s", (reason, _what, bad) => {
    expect(select(GOOD, bad)).toEqual({
      peers: [peer("10.244.1.0/24", "192.0.2.11")],
      rejected: [{ lease: bad, reason }],
    });
  });

  it("rejects subnets that overlap a network of the underlay", () => {
    const attached = { ...place, underlayPrefixes: [prefixOf("10.244.8.0/22"), prefixOf("10.244.2.7/32")] };
    const leases = ["10.244.9.0/24", "10.244.2.0/24", "10.244.0.0/16", "10.244.3.0/24"].map((subnet, i) =>
      lease(subnet, `192.0.2.${20 + i}`, { createRevision: 10 + i }),
    );
    const alone = { ...self, subnet: null };
    expect(reasons(selectPeers(view(leases), alone, attached))).toEqual([
      "10.244.0.0/16 overlaps-underlay",
      "10.244.2.0/24 overlaps-underlay",
      "10.244.9.0/24 overlaps-underlay",
    ]);
  });

  it("takes both ends of a point-to-point network as hosts", () => {
    const attached = { ...place, underlayPrefixes: [prefixOf("198.51.100.0/31")] };
    const leases = [lease("10.244.1.0/24", "198.51.100.0"), lease("10.244.2.0/24", "198.51.100.1")];
    expect(selectPeers(view(leases), self, attached).peers).toHaveLength(2);
  });

  it("takes link-local addresses where the underlay is such a link", () => {
    const linkLocal = { ...self, interfaceIp: addressOf("169.254.1.1"), publicIp: addressOf("169.254.1.1") };
    const leases = [lease("10.244.2.0/24", "169.254.1.2")];
    expect(selectPeers(view(leases), linkLocal, place).peers).toHaveLength(1);
  });

  it("knows itself by its public address and by that of its interface", () => {
    const behindNat = { ...self, publicIp: addressOf("203.0.113.7") };
    const leases = [lease("10.244.5.0/24", "203.0.113.7"), lease("10.244.6.0/24", "192.0.2.10")];
    expect(reasons(selectPeers(view(leases), behindNat, place))).toEqual([
      "10.244.5.0/24 own",
      "10.244.6.0/24 own",
    ]);
  });

  it("takes the lease on what was our subnet once we have given it up", () => {
    const taken = lease("10.244.0.0/24", "192.0.2.12", { nodeId: "node-b" });
    expect(show(selectPeers(view([taken]), { ...self, subnet: null }, place).peers)).toEqual([
      "10.244.0.0/24 via 192.0.2.12",
    ]);
  });

  it.each([
    ["udp", "", true],
    ["udp", "udp", true],
    ["udp", "alloc", false],
    ["alloc", "", true],
    ["vxlan", "vxlan", true],
    ["vxlan", "", false],
    ["host-gw", "vxlan", false],
  ])("a %s node takes a lease whose backend type is %j: %s", (backendType, type, isTaken) => {
    const leases = [lease("10.244.2.0/24", "192.0.2.12", { type })];
    expect(selectPeers(view(leases), self, { ...place, backendType }).peers).toHaveLength(isTaken ? 1 : 0);
  });

  describe("of leases that contradict each other", () => {
    it("takes the older of two that overlap", () => {
      const narrow = lease("10.244.4.0/24", "192.0.2.14", { createRevision: 7 });
      const wide = lease("10.244.4.0/22", "192.0.2.15", { createRevision: 8 });
      expect(reasons(select(narrow, wide))).toEqual(["10.244.4.0/22 overlaps-older-lease"]);
      const older = { ...wide, createRevision: 6n };
      expect(reasons(select(narrow, older))).toEqual(["10.244.4.0/24 overlaps-older-lease"]);
    });

    it("does not go by the last write: a renewal keeps its age", () => {
      const renewed = lease("10.244.4.0/24", "192.0.2.14", { createRevision: 7, revision: 900 });
      const wide = lease("10.244.4.0/22", "192.0.2.15", { createRevision: 8, revision: 8 });
      expect(show(select(renewed, wide).peers)).toEqual(["10.244.4.0/24 via 192.0.2.14"]);
    });

    it("compares revisions past 2^53 exactly", () => {
      const older = { ...lease("10.244.4.0/23", "192.0.2.15"), createRevision: 2n ** 53n };
      const newer = { ...lease("10.244.4.0/24", "192.0.2.14"), createRevision: 2n ** 53n + 1n };
      expect(show(select(newer, older).peers)).toEqual(["10.244.4.0/23 via 192.0.2.15"]);
    });

    it("takes the older of two at one underlay address", () => {
      const first = lease("10.244.5.0/24", "192.0.2.14", { createRevision: 8 });
      const second = lease("10.244.4.0/24", "192.0.2.14", { createRevision: 9 });
      expect(reasons(select(first, second))).toEqual(["10.244.4.0/24 same-underlay-ip-as-older-lease"]);
    });

    it("takes the first in key order of two that one transaction made", () => {
      const single = lease("10.244.4.0/24", "192.0.2.14");
      const dual = lease("10.244.4.0/24", "192.0.2.15", { subnet6: "2001:db8:4::/64" });
      expect(show(select(dual, single).peers)).toEqual(["10.244.4.0/24 via 192.0.2.14"]);
    });

    it("gives nothing to a third that overlaps only a refused one", () => {
      const first = lease("10.244.4.0/24", "192.0.2.14", { createRevision: 1 });
      const refused = lease("10.244.4.0/22", "192.0.2.15", { createRevision: 2 });
      const third = lease("10.244.5.0/24", "192.0.2.16", { createRevision: 3 });
      expect(show(select(first, refused, third).peers)).toEqual([
        "10.244.4.0/24 via 192.0.2.14",
        "10.244.5.0/24 via 192.0.2.16",
      ]);
    });

    it("keeps the subnet of an older lease of another backend taken", () => {
      const vxlan = lease("10.244.4.0/24", "192.0.2.14", { type: "vxlan", createRevision: 1 });
      const udp = lease("10.244.4.0/23", "192.0.2.15", { createRevision: 2 });
      expect(reasons(select(vxlan, udp))).toEqual([
        "10.244.4.0/23 overlaps-older-lease",
        "10.244.4.0/24 other-backend",
      ]);
    });

    it("keeps nothing taken for a lease that lies", () => {
      const lie = lease("10.244.4.0/22", "127.0.0.1", { createRevision: 1 });
      const honest = lease("10.244.4.0/24", "192.0.2.15", { createRevision: 2 });
      expect(show(select(lie, honest).peers)).toEqual(["10.244.4.0/24 via 192.0.2.15"]);
    });
  });

  it(`takes the oldest ${MAX_PEERS} and takes its time for no more`, () => {
    const network = prefixOf("10.0.0.0/8");
    const base = lease("10.1.0.0/24", "198.51.100.1");
    const leases = Array.from({ length: MAX_PEERS + 2 }, (_, i) => ({
      ...base,
      subnet: new Ipv4Prefix(addressOf("10.0.0.0").plus(i * 256), 24),
      attributes: { ...base.attributes, underlayIp: new Ipv4Address(0xc6330001 + i) },
      createRevision: BigInt(leasesAge(i)),
    }));
    const start = process.cpuUsage();
    const { peers, rejected } = selectPeers(view(leases), { ...self, subnet: null }, { ...place, network });
    const { user, system } = process.cpuUsage(start);

    expect(peers).toHaveLength(MAX_PEERS);
    expect(rejected.map(({ lease: { createRevision }, reason }) => `${createRevision} ${reason}`)).toEqual([
      `${MAX_PEERS + 1} too-many`,
      `${MAX_PEERS + 2} too-many`,
    ]);
    // Some 10 ms, 30 ms before it is compiled; a look at every pair takes seconds.
    expect((user + system) / 1_000).toBeLessThan(300);
  });

  it("never gives a set with overlaps, shared addresses or a faulty peer", () => {
    fc.assert(
      fc.property(arbitraryLeases, (leases) => {
        const { peers } = select(...leases);
        expect(findInvalidPeer(peers)).toBeNull();
        for (const [i, a] of peers.entries()) {
          expect(findFault(a, self, place)).toBeNull();
          expect(isCarriedBy(a, place.backendType)).toBe(true);
          for (const b of peers.slice(i + 1)) {
            expect(a.subnet.overlaps(b.subnet) || a.underlayIp.equals(b.underlayIp)).toBe(false);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("gives every lease one outcome", () => {
    fc.assert(
      fc.property(arbitraryLeases, (leases) => {
        const { peers, rejected } = select(...leases);
        const outcomes = [...show(peers), ...show(rejected.map((entry) => peerLike(entry.lease)))];
        expect(outcomes.sort()).toEqual(show(leases.map(peerLike)).sort());
      }),
      { numRuns: 500 },
    );
  });

  it("does not depend on the order of the leases", () => {
    const shuffled = arbitraryLeases.chain((leases) =>
      fc.tuple(fc.constant(leases), fc.shuffledSubarray(leases, { minLength: leases.length })),
    );
    fc.assert(
      fc.property(shuffled, ([leases, others]) => {
        expect(select(...others)).toEqual(select(...leases));
      }),
      { numRuns: 500 },
    );
  });

  it("selects as a slow reader of the rules does", () => {
    fc.assert(
      fc.property(arbitraryLeases, (leases) => {
        expect(show(select(...leases).peers)).toEqual(show(selectSlowly(leases)));
      }),
      { numRuns: 500 },
    );
  });
});

/** Scatters ages over the subnets; the last two are the youngest. */
function leasesAge(i: number): number {
  return i < MAX_PEERS ? ((i * 7_919) % MAX_PEERS) + 1 : i + 1;
}

/** Every lease against every older one. */
function selectSlowly(leases: readonly SubnetLease[]): PeerSelection["peers"] {
  const honest = leases.filter((one) => findFault(peerLike(one), self, place) === null);
  const nameOf = ({ subnet6 }: SubnetLease): string => (subnet6 === null ? "" : subnet6.toString());
  const byAge = honest
    .toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)))
    .toSorted((a, b) => a.subnet.compare(b.subnet))
    .toSorted((a, b) => Number(a.createRevision - b.createRevision));
  const standing: SubnetLease[] = []; // holds its subnet
  const used: SubnetLease[] = [];
  for (const one of byAge) {
    if (standing.some((older) => older.subnet.overlaps(one.subnet))) continue;
    standing.push(one);
    const isUdp = ["", "udp"].includes(one.attributes.backend.type);
    if (isUdp && !used.some((older) => older.attributes.underlayIp.equals(one.attributes.underlayIp)))
      used.push(one);
  }
  return used.map(peerLike).sort((a, b) => a.subnet.compare(b.subnet));
}

function peerLike({
  subnet,
  attributes: { underlayIp, backend, nodeId },
}: SubnetLease): PeerSelection["peers"][0] {
  return { subnet, underlayIp, backend, nodeId };
}
