import { describe, expect, it } from "vitest";
import { findOlderClaim } from "../../../src/peers/older-claim.ts";
import type { SubnetLease } from "../../../src/subnet-lease/lease.ts";
import { lease, place, self, view } from "./leases.ts";

const OURS = lease("10.244.0.0/24", "192.0.2.10", { nodeId: "node-self", createRevision: 20 });
const find = (...others: SubnetLease[]): string | null =>
  findOlderClaim(view([OURS, ...others]), self, place)?.subnet.toString() ?? null;

describe("findOlderClaim", () => {
  it("finds the older lease with our address, whoever's it is", () => {
    const stale = { createRevision: 10 };
    expect(find(lease("10.244.9.0/24", "192.0.2.10", { ...stale, nodeId: "node-b" }))).toBe("10.244.9.0/24");
    expect(find(lease("10.244.9.0/24", "192.0.2.10", { ...stale, nodeId: "node-self" }))).toBe(
      "10.244.9.0/24",
    );
    expect(find(lease("10.244.9.0/24", "192.0.2.10", stale))).toBe("10.244.9.0/24");
  });

  it.each<[string, SubnetLease]>([
    ["newer", lease("10.244.9.0/24", "192.0.2.10", { nodeId: "node-b", createRevision: 30 })],
    ["at another address", lease("10.244.9.0/24", "192.0.2.11", { nodeId: "node-b" })],
    ["of another backend", lease("10.244.9.0/24", "192.0.2.10", { nodeId: "node-b", type: "vxlan" })],
    ["outside of the network", lease("10.99.9.0/24", "192.0.2.10", { nodeId: "node-b" })],
  ])("does not mind a lease that is %s: peers send to ours", (_, other) => expect(find(other)).toBeNull());

  it("does not know without a lease of our own in the registry", () => {
    const other = lease("10.244.9.0/24", "192.0.2.10", { nodeId: "node-b" });
    expect(findOlderClaim(view([other]), self, place)).toBeNull();
    expect(findOlderClaim(view([OURS, other]), { ...self, subnet: null }, place)).toBeNull();
  });
});
