import { describe, expect, it } from "vitest";
import { decideStart } from "../../../../src/agent/start/cached-start.ts";
import type { StartDecision } from "../../../../src/agent/start/cached-start.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../../src/net/ipv4.ts";
import type { CachedState } from "../../../../src/peers/cached-state.ts";

const NOW = Date.UTC(2026, 0, 1);
const STATE: CachedState = {
  etcdPrefix: "/coreos.com/network",
  network: new Ipv4Prefix(new Ipv4Address(0x0af40000), 16),
  networkConfig: '{"Network":"10.244.0.0/16"}',
  ownLease: {
    subnet: new Ipv4Prefix(new Ipv4Address(0x0af40700), 24),
    etcdLeaseId: 7587899055665700368n,
    expiresAtWallMs: NOW + 1,
  },
  registry: { clusterId: 1n, revision: 2n },
  peers: [],
};

const DUAL_STACK = '{"Network":"10.244.0.0/16","EnableIPv6":true,"IPv6Network":"2001:db8::/48"}';

function decide(change: Partial<CachedState> = {}, etcdPrefix = STATE.etcdPrefix): StartDecision {
  return decideStart({ state: { ...STATE, ...change }, problem: null }, etcdPrefix, NOW);
}

describe("decideStart", () => {
  it("forwards at once with a lease that has not ended", () => {
    const decision = decide();
    expect(decision).toMatchObject({ kind: "cached", subnet: STATE.ownLease?.subnet, state: STATE });
    expect(decision.kind === "cached" && decision.config.text).toBe(STATE.networkConfig);
  });

  it("forwards at once with a reservation, which never ends", () => {
    const ownLease = { subnet: new Ipv4Prefix(new Ipv4Address(0x0af40700), 24), etcdLeaseId: 0n };
    expect(decide({ ownLease: { ...ownLease, expiresAtWallMs: null } }).kind).toBe("cached");
  });

  it.each<[string, StartDecision]>([
    [
      "the lease has ended",
      decide({ ownLease: STATE.ownLease && { ...STATE.ownLease, expiresAtWallMs: NOW } }),
    ],
    ["there is no lease", decide({ ownLease: null })],
    ["the etcd prefix is another", decide({}, "/other")],
    ["the config is not valid", decide({ networkConfig: "{}" })],
    ["the config wants IPv6", decide({ networkConfig: DUAL_STACK })],
    ["the config has another network", decide({ networkConfig: '{"Network":"10.245.0.0/16"}' })],
  ])("asks etcd first when %s, and says why", (_, decision) => {
    expect(decision).toEqual({ kind: "cold", reason: expect.stringMatching(/^its? /) as string });
  });

  it("asks etcd first without a cache, silently when there is none at all", () => {
    expect(decideStart({ state: null, problem: null }, "/p", NOW)).toEqual({ kind: "cold", reason: null });
    expect(decideStart({ state: null, problem: "not JSON" }, "/p", NOW)).toEqual({
      kind: "cold",
      reason: "not JSON",
    });
  });
});
