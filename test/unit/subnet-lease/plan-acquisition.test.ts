import { describe, expect, it } from "vitest";
import { Ipv6Prefix } from "../../../src/net/ipv6.ts";
import type { LeaseList, UnreadableLease } from "../../../src/subnet-lease/lease-list.ts";
import { explainLoss, isKeptBy } from "../../../src/subnet-lease/lease-loss.ts";
import type { SubnetLease } from "../../../src/subnet-lease/lease.ts";
import { parseNetworkConfig } from "../../../src/subnet-lease/network-config.ts";
import { planAcquisition } from "../../../src/subnet-lease/plan-acquisition.ts";
import type { AcquisitionInput, NodeIdentity } from "../../../src/subnet-lease/plan-acquisition.ts";
import { prefixOf } from "../../support/ipv4.ts";
import { attributesOf, leaseOf } from "./leases.ts";

const CONFIG = parseNetworkConfig(`{"Network":"10.3.0.0/16","SubnetMin":"10.3.1.0","SubnetMax":"10.3.25.0"}`);
const { underlayIp: OUR_IP } = attributesOf("192.0.2.10", null);
const US: NodeIdentity = { nodeId: "us", underlayIp: OUR_IP, isStrict: false };
const US_STRICT: NodeIdentity = { ...US, isStrict: true };

const UNREADABLE: UnreadableLease = {
  ...leaseOf("10.3.1.0/24", "192.0.2.10", null),
  attributes: null,
  reason: "junk",
};

function listOf(leases: readonly SubnetLease[], unreadable: readonly UnreadableLease[] = []): LeaseList {
  return { leases, unreadable };
}

/** The step in one line. */
function plan(leases: readonly SubnetLease[], more: Partial<AcquisitionInput> = {}): string {
  const step = planAcquisition({
    list: listOf(leases),
    config: CONFIG,
    identity: US,
    held: null,
    previousSubnet: null,
    random: () => 0,
    ...more,
  });
  switch (step.kind) {
    case "adopt":
      return `adopt ${step.lease.subnet.toString()}`;
    case "create":
      return `create ${step.subnet.toString()}`;
    case "drop":
      return `drop ${step.lease.subnet.toString()}: ${step.reason}`;
    case "exhausted":
      return `exhausted ${step.total}`;
  }
}

const OTHERS = [leaseOf("10.3.1.0/24", "192.0.2.1", "n1"), leaseOf("10.3.2.0/24", "192.0.2.2", null)];

describe("planAcquisition", () => {
  it("creates a free subnet when none is ours (L1)", () => expect(plan(OTHERS)).toBe("create 10.3.3.0/24"));

  it.each([
    ["by node id and address", leaseOf("10.3.7.0/24", "192.0.2.10", "us")],
    ["by node id, when our address has changed", leaseOf("10.3.7.0/24", "192.0.2.99", "us")],
    ["by address, from flannel", leaseOf("10.3.7.0/24", "192.0.2.10", null)],
    ["by address, when our node id was lost with the disk", leaseOf("10.3.7.0/24", "192.0.2.10", "old")],
    [
      "when it is a reservation for our address",
      leaseOf("10.3.7.0/24", "192.0.2.10", null, { etcdLeaseId: 0n }),
    ],
  ])("adopts our lease %s (L2, L19)", (_, lease) =>
    expect(plan([...OTHERS, lease])).toBe("adopt 10.3.7.0/24"),
  );

  it("prefers the node id over the address of another", () => {
    const leases = [leaseOf("10.3.7.0/24", "192.0.2.10", "old"), leaseOf("10.3.8.0/24", "192.0.2.99", "us")];
    expect(plan(leases)).toBe("adopt 10.3.8.0/24");
  });

  it("takes the previous subnet when it is free (L3)", () => {
    expect(plan(OTHERS, { previousSubnet: prefixOf("10.3.6.0/24") })).toBe("create 10.3.6.0/24");
  });

  it.each([
    ["outside the network (L4)", "10.4.1.0/24"],
    ["of another length", "10.3.6.0/26"],
    ["below SubnetMin", "10.3.0.0/24"],
    ["above SubnetMax", "10.3.26.0/24"],
    ["of another node", "10.3.2.0/24"],
  ])("takes another when the previous subnet is %s", (_, previous) => {
    expect(plan(OTHERS, { previousSubnet: prefixOf(previous) })).toBe("create 10.3.3.0/24");
  });

  it("takes another when the previous subnet lies in a wider lease", () => {
    const leases = [...OTHERS, leaseOf("10.3.4.0/22", "192.0.2.3", "n3")];
    expect(plan(leases, { previousSubnet: prefixOf("10.3.6.0/24") })).toBe("create 10.3.3.0/24");
  });

  it.each([
    ["the network changed (L5)", leaseOf("10.4.7.0/24", "192.0.2.10", "us")],
    ["the length changed", leaseOf("10.3.7.0/25", "192.0.2.10", "us")],
    ["it is flannel's", leaseOf("10.4.7.0/24", "192.0.2.10", null)],
    ["it is a reservation", leaseOf("10.4.7.0/24", "192.0.2.10", null, { etcdLeaseId: 0n })],
    [
      "it is dual-stack",
      leaseOf("10.3.7.0/24", "192.0.2.10", "us", { subnet6: Ipv6Prefix.parse("2001:db8:7::/64") }),
    ],
  ])("drops our lease when %s", (_, lease) => {
    expect(plan([...OTHERS, lease])).toBe(`drop ${lease.subnet.toString()}: not in the network config`);
  });

  it("never drops a lease that names another node id", () => {
    expect(plan([...OTHERS, leaseOf("10.4.7.0/24", "192.0.2.10", "old")])).toBe("create 10.3.3.0/24");
  });

  it("keeps the oldest of two and drops the other", () => {
    const older = leaseOf("10.3.8.0/24", "192.0.2.10", "us", { createRevision: 5n });
    const younger = leaseOf("10.3.7.0/24", "192.0.2.10", "us", { createRevision: 2n ** 60n + 1n });
    expect(plan([younger, older])).toBe("drop 10.3.7.0/24: second lease of this node");
    expect(plan([{ ...younger, createRevision: 4n }, older])).toBe(
      "drop 10.3.8.0/24: second lease of this node",
    );
  });

  it("keeps the one of two that the node had before, or holds", () => {
    const leases = [
      leaseOf("10.3.7.0/24", "192.0.2.10", "us", { createRevision: 5n }),
      leaseOf("10.3.8.0/24", "192.0.2.10", "us", { createRevision: 6n }),
    ];
    const subnet = prefixOf("10.3.8.0/24");
    expect(plan(leases, { previousSubnet: subnet })).toBe("drop 10.3.7.0/24: second lease of this node");
    expect(plan(leases, { held: subnet })).toBe("drop 10.3.7.0/24: second lease of this node");
  });

  it("moves to a reservation for us at the start, but not while it holds a subnet", () => {
    const leases = [
      leaseOf("10.3.7.0/24", "192.0.2.10", "us"),
      leaseOf("10.3.8.0/24", "192.0.2.10", null, { etcdLeaseId: 0n }),
    ];
    expect(plan(leases, { previousSubnet: prefixOf("10.3.7.0/24") })).toBe(
      "drop 10.3.7.0/24: second lease of this node",
    );
    expect(plan(leases.slice(1))).toBe("adopt 10.3.8.0/24");
    expect(plan(leases, { held: prefixOf("10.3.7.0/24") })).toBe("adopt 10.3.7.0/24");
  });

  it("leaves the lease of a machine alone that shares only our node id, or only our address", () => {
    const ours = leaseOf("10.3.7.0/24", "192.0.2.10", "us");
    const clone = leaseOf("10.3.8.0/24", "192.0.2.99", "us", { createRevision: 1n });
    const namesake = leaseOf("10.3.9.0/24", "192.0.2.10", "them", { createRevision: 1n });
    expect(plan([ours, clone, namesake])).toBe("adopt 10.3.7.0/24");
  });

  it("claims nothing by half a match once the node has had a subnet", () => {
    const clone = leaseOf("10.3.1.0/24", "192.0.2.99", "us");
    const namesake = leaseOf("10.3.2.0/24", "192.0.2.10", "them");
    expect(plan([clone, namesake], { identity: US_STRICT })).toBe("create 10.3.3.0/24");
    expect(plan([leaseOf("10.3.7.0/24", "192.0.2.10", null)], { identity: US_STRICT })).toBe(
      "adopt 10.3.7.0/24",
    );
  });

  it("drops ours when it overlaps an older lease, not when it overlaps a younger one", () => {
    const ours = leaseOf("10.3.7.0/24", "192.0.2.10", "us", { createRevision: 10n });
    const wide = leaseOf("10.3.0.0/20", "192.0.2.1", "n1", { createRevision: 9n });
    expect(plan([wide, ours])).toBe("drop 10.3.7.0/24: overlaps an older lease");
    expect(plan([{ ...wide, createRevision: 11n }, ours])).toBe("adopt 10.3.7.0/24");
  });

  it("counts the subnet of an unreadable lease as taken", () => {
    expect(plan([], { list: listOf([], [UNREADABLE]) })).toBe("create 10.3.2.0/24");
    expect(plan([], { list: listOf([], [UNREADABLE]), previousSubnet: UNREADABLE.subnet })).toBe(
      "create 10.3.2.0/24",
    );
  });

  it("restores an unreadable lease on the subnet it holds", () => {
    expect(plan([], { list: listOf([], [UNREADABLE]), held: UNREADABLE.subnet })).toBe("adopt 10.3.1.0/24");
  });

  it("says how many there are when all are taken (L18)", () => {
    expect(plan([leaseOf("10.3.0.0/16", "192.0.2.1", "n1")])).toBe("exhausted 25");
  });
});

describe("isKeptBy", () => {
  const subnet = prefixOf("10.3.7.0/24");
  const lease = leaseOf("10.3.7.0/24", "192.0.2.10", "us");
  const other = leaseOf("10.3.8.0/24", "192.0.2.10", "us");
  it.each([
    [true, { kind: "adopt", lease }],
    [false, { kind: "adopt", lease: other }],
    [true, { kind: "create", subnet }],
    [false, { kind: "create", subnet: other.subnet }],
    [false, { kind: "drop", lease, reason: "overlaps an older lease" }],
    [true, { kind: "drop", lease: other, reason: "second lease of this node" }],
    [false, { kind: "exhausted", total: 1 }],
  ] as const)("is %s for a step", (isKept, step) => expect(isKeptBy(step, subnet)).toBe(isKept));
});

describe("explainLoss", () => {
  const subnet = prefixOf("10.3.1.0/24");
  it.each([
    [
      'node "n1\\u000a" at 192.0.2.1 has the lease on 10.3.1.0/24',
      listOf([leaseOf("10.3.1.0/24", "192.0.2.1", "n1\n")]),
    ],
    [
      "a node without id at 192.0.2.1 has the lease on 10.3.0.0/20",
      listOf([leaseOf("10.3.0.0/20", "192.0.2.1", null)]),
    ],
    ["the lease on 10.3.1.0/24 cannot be read, junk", listOf([], [UNREADABLE])],
    [
      "this node has another lease, or the subnet is not in the network config",
      listOf([leaseOf("10.3.7.0/24", "192.0.2.10", "us")]),
    ],
  ])("says: %s", (reason, list) => expect(explainLoss(list, subnet, US)).toBe(reason));
});
