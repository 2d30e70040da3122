import { beforeEach, describe, expect, it } from "vitest";
import { NodeReadiness } from "../../../../src/agent/health/node-readiness.ts";
import { REGISTRY_STALE_AFTER_MS } from "../../../../src/agent/health/registry-contact.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../../src/net/ipv4.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import type { LeaseState } from "../../../../src/subnet-lease/lease-state.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const SUBNET = new Ipv4Prefix(new Ipv4Address(0x0af40700), 24);
const OTHER_SUBNET = new Ipv4Prefix(new Ipv4Address(0x0af40800), 24);

function held(subnet: Ipv4Prefix): LeaseState {
  const attributes = {
    underlayIp: new Ipv4Address(0xc0000201),
    underlayIp6: null,
    backend: { type: "" },
    nodeId: "00",
  };
  const lease = { subnet, subnet6: null, attributes, createRevision: 1n, revision: 1n, etcdLeaseId: 1n };
  return { kind: "held", lease, expiresAtMs: 1 };
}

describe("NodeReadiness", () => {
  let clock: FakeClock;
  let changes: (string | null)[];
  let readiness: NodeReadiness;

  beforeEach(() => {
    clock = new FakeClock();
    changes = [];
    readiness = new NodeReadiness(clock, (reason) => changes.push(reason));
  });

  const forward = (subnet: Ipv4Prefix | null, more: { problem?: string; isComplete?: boolean } = {}): void =>
    readiness.onForwarding({
      kind: "forwarding",
      outcome: { problem: more.problem ?? null, subnet, peers: [] },
      isComplete: more.isComplete ?? true,
    });
  const contact = (isConnected: boolean, lastContactMs: number | null = 0): void =>
    readiness.onRegistry({ isConnected, lastContactMs });
  function becomeReady(): void {
    readiness.onConfig();
    readiness.onLease(held(SUBNET));
    contact(true);
    forward(SUBNET);
    readiness.onFirewall();
    readiness.onSubnetFile(null);
  }

  it("comes after config, lease, first complete sync, firewall and subnet file, and says what is missing", () => {
    expect(readiness.reason).toBe("Waiting for the network config: etcd has not answered yet");
    readiness.onConfig();
    expect(readiness.reason).toBe("Leasing a subnet and reading the leases of the others");
    readiness.onLease(held(SUBNET));
    contact(true);
    forward(SUBNET, { isComplete: false });
    expect(readiness.reason).toBe("Leasing a subnet and reading the leases of the others");
    forward(SUBNET);
    expect(readiness.reason).toBe("Firewall rules are not made yet");
    readiness.onFirewall();
    expect(readiness.reason).toBe("The subnet file is not written yet");
    readiness.onSubnetFile(null);
    expect(readiness.reason).toBeNull();
    expect(changes.at(-1)).toBeNull();
  });

  it("tells a config that is not there from an etcd that is not", () => {
    readiness.onConfigWait(new OverlayError("ERR_REGISTRY_UNAVAILABLE", "Cannot read a key"));
    expect(readiness.reason).toBe("Waiting for the network config: etcd has not answered yet");
    readiness.onConfigWait(new OverlayError("ERR_CONFIG_MISSING", "Cannot read the network config"));
    expect(readiness.reason).toBe("Waiting for the network config in etcd");
    readiness.onConfigWait(new OverlayError("ERR_CONFIG_INVALID", "Cannot use the network config"));
    expect(readiness.reason).toBe(
      "Waiting for a valid network config in etcd: Cannot use the network config",
    );
    readiness.onConfigWait(new OverlayError("ERR_BACKEND_UNKNOWN", "Cannot choose a backend"));
    expect(readiness.reason).toBe("Waiting for a valid network config in etcd: Cannot choose a backend");
    readiness.onConfigWait(new OverlayError("ERR_REGISTRY_DENIED", "Cannot read a key"));
    expect(readiness.reason).toBe("Waiting for the network config: etcd denies it");
    readiness.onConfigWait(new OverlayError("ERR_REGISTRY_UNAVAILABLE", "Cannot read a key"));
    expect(readiness.reason).toBe("Waiting for the network config: etcd does not answer");
  });

  it("does not come from the cache alone", () => {
    readiness.onConfig();
    readiness.onLease({ kind: "cached", subnet: SUBNET });
    forward(SUBNET);
    readiness.onFirewall();
    readiness.onSubnetFile(null);
    expect(readiness.reason).toBe("etcd has not confirmed the subnet of the last run yet");
    readiness.onLease(held(SUBNET));
    contact(false, null);
    expect(readiness.reason).toBe("etcd has not answered yet");
  });

  it("goes when a sync or the subnet file fails, and comes back", () => {
    becomeReady();
    forward(SUBNET, { problem: "Cannot open TUN flannel0: EBUSY" });
    expect(readiness.reason).toBe("Cannot open TUN flannel0: EBUSY");
    forward(SUBNET);
    expect(readiness.reason).toBeNull();
    readiness.onSubnetFile("Cannot write /run/flannel/subnet.env: ENOSPC");
    expect(readiness.reason).toBe("Cannot write /run/flannel/subnet.env: ENOSPC");
  });

  it("goes when the subnet is lost, and comes back only when the new one is forwarded", () => {
    becomeReady();
    readiness.onLease({ kind: "lost", subnet: SUBNET, reason: "another node has it" });
    expect(readiness.reason).toBe("The subnet is lost: another node has it");
    forward(null);
    readiness.onLease(held(OTHER_SUBNET));
    expect(readiness.reason).toBe("Forwarding does not run for the subnet yet");
    forward(SUBNET); // begun before the lease moved
    expect(readiness.reason).toBe("Forwarding does not run for the subnet yet");
    forward(OTHER_SUBNET);
    expect(readiness.reason).toBeNull();
  });

  it("stays through a renewal of the lease", () => {
    becomeReady();
    const before = changes.length;
    readiness.onLease(held(SUBNET));
    expect(readiness.reason).toBeNull();
    expect(changes).toHaveLength(before);
  });

  it("goes when nothing was heard of etcd for more than 3 s, and comes back with the next answer", async () => {
    becomeReady();
    await clock.advance(60_000);
    contact(true); // a watch that stands may be silent for as long as it likes
    contact(false);
    await clock.advance(REGISTRY_STALE_AFTER_MS);
    contact(false);
    expect(readiness.reason).toBeNull();
    await clock.advance(1);
    contact(false);
    expect(readiness.reason).toBe("etcd does not answer, changes of peers are not heard of");
    contact(false, clock.nowMs());
    expect(readiness.reason).toBeNull();
    expect(REGISTRY_STALE_AFTER_MS).toBe(3000);
  });

  it("goes while an older lease has our address", () => {
    becomeReady();
    readiness.onOlderClaim("Peers send to another lease");
    expect(readiness.reason).toBe("Peers send to another lease");
    readiness.onOlderClaim(null);
    expect(readiness.reason).toBeNull();
  });

  it("tells of a change once", () => {
    becomeReady();
    const before = changes.length;
    readiness.onSubnetFile("full");
    readiness.onSubnetFile("full");
    readiness.onFirewall();
    readiness.onSubnetFile(null);
    expect(changes.slice(before)).toEqual(["full", null]);
  });
});
