import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadAgentConfig } from "../../../../src/agent/config.ts";
import { describeAgent } from "../../../../src/agent/health/agent-status.ts";
import { Overlay } from "../../../../src/agent/overlay/overlay.ts";
import type { AgentStatus } from "../../../../src/agent/status.ts";
import { Ipv4Address, Ipv4Prefix } from "../../../../src/net/ipv4.ts";
import { MemoryRegistry } from "../../../../src/subnet-lease/memory-registry.ts";
import { parseNetworkConfig } from "../../../../src/subnet-lease/network-config.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { recordLog } from "../../../support/log-lines.ts";
import { RecordingBackend } from "../../../support/recording-backend.ts";
import { STARTING_STATUS } from "../../../support/starting-status.ts";

const NODE_ID = "000102030405060708090a0b0c0d0e0f";
const UNDERLAY = {
  interfaceName: "eth0",
  interfaceIndex: 2,
  interfaceIp: new Ipv4Address(0xc0000201),
  publicIp: new Ipv4Address(0xcb007101),
  underlayMtu: 1500,
};
const PEER = {
  subnet: new Ipv4Prefix(new Ipv4Address(0x0af40800), 24),
  underlayIp: new Ipv4Address(0xc0000202),
  backend: { type: "" },
  nodeId: "ff",
};

/** Stands where nftables and iptables are. */
const NO_FIREWALL = {
  rules: { keep: () => Promise.resolve(0) },
  guard: {
    sync: () => Promise.resolve(0),
    audit: () => Promise.resolve(0),
    readDrops: () => Promise.resolve({}),
  },
};

describe("describeAgent", () => {
  let clock: FakeClock;
  let registry: MemoryRegistry;
  let overlay: Overlay;
  let backend: RecordingBackend;

  beforeEach(() => {
    clock = new FakeClock();
    registry = new MemoryRegistry(clock);
    backend = new RecordingBackend();
    const { options } = loadAgentConfig(new Map(), {});
    const plan = {
      options,
      nodeId: NODE_ID,
      etcd: {
        endpoints: options.etcdEndpoints,
        login: null,
        tls: { caFile: null, certFile: null, keyFile: null },
      },
      underlay: UNDERLAY,
      rejectedInterfaces: [],
      underlayPrefixes: [],
      previousSubnet: null,
      cache: { state: null, problem: null },
    };
    overlay = new Overlay(
      parseNetworkConfig('{"Network":"10.244.0.0/16"}'),
      backend,
      { underlayIp: UNDERLAY.publicIp, underlayIp6: null, backend: { type: "" }, nodeId: NODE_ID },
      {
        plan,
        nodeId: NODE_ID,
        formerNetwork: null,
        firewallKeepers: () => NO_FIREWALL,
        registry,
        clock,
        random: () => 0,
        log: recordLog().log,
        onEvent: () => undefined,
      },
      new AbortController().signal,
    );
  });

  afterEach(async () => {
    await overlay.close();
    await registry.close();
    expect(clock.sleeping).toBe(0);
  });

  function describeNow(withOverlay: Overlay | null, notReadyReason: string | null): AgentStatus {
    return describeAgent({
      version: "1.2.3",
      nodeId: NODE_ID,
      notReadyReason,
      underlay: UNDERLAY,
      overlay: withOverlay,
      follower: null,
      configProblem: null,
      nowMs: clock.nowMs(),
    });
  }

  it("tells what is known before the network config is", () => {
    expect(describeNow(null, "Waiting for the network config in etcd")).toEqual({
      ...STARTING_STATUS,
      version: "1.2.3",
      pid: process.pid,
      nodeId: NODE_ID,
      underlay: { interfaceName: "eth0", interfaceIp: "192.0.2.1", publicIp: "203.0.113.1" },
    });
  });

  it("tells of the lease with its end, as text and seconds", async () => {
    await overlay.startWithLease();
    await clock.advance(1500);
    const { ready, network, subnet, backend, overlayMtu, lease } = describeNow(overlay, null);
    expect({ ready, network, backend, overlayMtu }).toEqual({
      ready: true,
      network: "10.244.0.0/16",
      backend: "recording",
      overlayMtu: 1472,
    });
    expect(subnet).toMatch(/^10\.244\.\d+\.0\/24$/);
    expect(lease).toEqual({
      state: "held",
      etcdLeaseId: expect.stringMatching(/^\d{15,}$/) as string,
      expiresInSeconds: 86_400 - 1.5,
    });
  });

  /** Forwards as the last run did, with one peer. */
  async function startFromCache(): Promise<void> {
    const subnet = new Ipv4Prefix(new Ipv4Address(0x0af40700), 24);
    const state = {
      etcdPrefix: "/coreos.com/network",
      network: overlay.config.network,
      networkConfig: overlay.config.text,
      ownLease: { subnet, etcdLeaseId: 1n, expiresAtWallMs: null },
      registry: { clusterId: 1n, revision: 9n },
      peers: [PEER],
    };
    await overlay.startFromCache(subnet, state);
  }

  it("tells of a subnet and peers from the cache", async () => {
    await startFromCache();
    const status = describeNow(overlay, "etcd has not confirmed the subnet of the last run yet");
    expect(status.subnet).toBe("10.244.7.0/24");
    expect(status.lease).toEqual({ state: "cached", etcdLeaseId: null, expiresInSeconds: null });
    expect(status.peers).toEqual([
      { subnet: "10.244.8.0/24", underlayIp: "192.0.2.2", nodeId: "ff", isHeld: false, counters: null },
    ]);
  });

  it("tells how packets are carried, and what each peer had of them", async () => {
    await startFromCache();
    backend.datapath = { engine: "native", queues: 2, offload: "tcp", sourcePort: "fixed" };
    const counters = {
      encapPackets: 1,
      encapBytes: 84,
      decapPackets: 2,
      decapBytes: 168,
      decapDropped: 3,
    };
    const { subnet, underlayIp } = PEER;
    const elsewhere = { ...counters, subnet, underlayIp: UNDERLAY.interfaceIp, encapPackets: 99 };
    backend.peerCounters = [{ ...counters, subnet, underlayIp }, elsewhere];
    const status = describeNow(overlay, null);
    expect(status.datapath).toEqual(backend.datapath);
    expect(status.peers).toMatchObject([{ subnet: "10.244.8.0/24", counters }]);
    expect(Object.keys(status.peers[0]?.counters ?? {})).toEqual(Object.keys(counters));
  });
});
