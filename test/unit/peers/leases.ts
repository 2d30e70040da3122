/** Leases, peers and ourselves for the tests of this folder. */
import fc from "fast-check";
import { Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { Ipv6Prefix } from "../../../src/net/ipv6.ts";
import type { PeerPlace, SelfIdentity } from "../../../src/peers/peer-rules.ts";
import type { Peer } from "../../../src/peers/peer.ts";
import type { JsonValue, LeaseView, SubnetLease } from "../../../src/subnet-lease/lease.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

/** We own 10.244.0.0/24 and send from 192.0.2.10; the overlay is 10.244.0.0/16. */
export const self: SelfIdentity = {
  nodeId: "node-self",
  subnet: prefixOf("10.244.0.0/24"),
  interfaceIp: addressOf("192.0.2.10"),
  publicIp: addressOf("192.0.2.10"),
};

export const place: PeerPlace = {
  network: prefixOf("10.244.0.0/16"),
  underlayPrefixes: [prefixOf("192.0.2.0/24")],
  backendType: "udp",
  identityOf: () => "",
  ownIdentity: "",
};

export interface LeaseFacts {
  readonly nodeId?: string | null;
  readonly type?: string;
  readonly data?: JsonValue;
  readonly createRevision?: number;
  readonly revision?: number;
  readonly subnet6?: string;
}

/** A lease as a flannel or twill node writes it. */
export function lease(subnet: string, underlayIp: string, facts: LeaseFacts = {}): SubnetLease {
  const createRevision = BigInt(facts.createRevision ?? 10);
  return {
    subnet: prefixOf(subnet),
    subnet6: facts.subnet6 === undefined ? null : Ipv6Prefix.parse(facts.subnet6),
    attributes: {
      underlayIp: addressOf(underlayIp),
      underlayIp6: null,
      backend: { type: facts.type ?? "", ...(facts.data === undefined ? {} : { data: facts.data }) },
      nodeId: facts.nodeId ?? null,
    },
    createRevision,
    revision: BigInt(facts.revision ?? createRevision),
    etcdLeaseId: 7587873418329723152n, // past 2^53, as etcd's are
  };
}

export function view(leases: readonly SubnetLease[], revision = 100n, clusterId = 1n): LeaseView {
  return { leases, revision, clusterId };
}

export function peer(subnet: string, underlayIp: string, facts: LeaseFacts = {}): Peer {
  const { attributes, subnet: parsed } = lease(subnet, underlayIp, facts);
  return {
    subnet: parsed,
    underlayIp: attributes.underlayIp,
    backend: attributes.backend,
    nodeId: attributes.nodeId,
  };
}

/** `count` peers that do not contradict each other: 10.244.1.0/24 at 192.0.2.101, and so on. */
export function peers(count: number, first = 1): Peer[] {
  return Array.from({ length: count }, (_, i) =>
    peer(`10.244.${first + i}.0/24`, `192.0.2.${100 + first + i}`),
  );
}

export function show(set: readonly Peer[]): string[] {
  return set.map(({ subnet, underlayIp }) => `${subnet.toString()} via ${underlayIp.toString()}`);
}

/** Leases of a small world, so that they meet: overlapping subnets, shared addresses, lies. */
export const arbitraryLease: fc.Arbitrary<SubnetLease> = fc
  .record({
    address: fc.integer({ min: 0, max: 15 }).map((n) => addressOf("10.244.0.0").plus(n * 64)),
    length: fc.constantFrom(15, 16, 22, 23, 24, 25, 26),
    host: fc.constantFrom("192.0.2.10", "192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14", "127.0.0.1"),
    nodeId: fc.constantFrom(null, "node-self", "node-a", "node-b"),
    type: fc.constantFrom("", "", "", "udp", "vxlan"),
    createRevision: fc.integer({ min: 1, max: 6 }),
    dual: fc.constantFrom({}, {}, { subnet6: "2001:db8::/64" }),
  })
  .map(({ address, length, host, dual, ...facts }) =>
    lease(Ipv4Prefix.containing(address, length).toString(), host, { ...facts, ...dual }),
  );

/** As the registry has them: no key comes twice. */
export const arbitraryLeases: fc.Arbitrary<SubnetLease[]> = fc.uniqueArray(arbitraryLease, {
  selector: ({ subnet, subnet6 }) => `${subnet.toString()}&${subnet6 === null ? "" : subnet6.toString()}`,
  maxLength: 16,
});
