/** The guard before a tunnel that an engine of ours carries, with that engine running: what passes, what is dropped, and how much. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GuardKeeper } from "../../src/kernel/firewall/guard-keeper.ts";
import type { GuardRules } from "../../src/kernel/firewall/guard-rules.ts";
import { ping } from "../support/backend-hosts.ts";
import type { BackendHost } from "../support/backend-hosts.ts";
import { eventually } from "../support/eventually.ts";
import { GuardBench } from "../support/guard-bench.ts";
import {
  MASQUERADE,
  NO_ABORT,
  POD_PORT,
  countPackets,
  deviceIp,
  expectDrops,
  guarded,
  podIp,
  sendDatagrams,
} from "../support/guarded-hosts.ts";
import type { Datagrams } from "../support/guarded-hosts.ts";
import { USER_SPACE_WAYS } from "../support/guarded-tunnels.ts";
import type { TunnelEnds } from "../support/guarded-tunnels.ts";

const TEN = { count: 10, isAnswered: false };

describe.each(USER_SPACE_WAYS)("the guard of $name in user space", ({ tunnel, connect }) => {
  let bench: GuardBench;
  let own: BackendHost, peer: BackendHost, stranger: BackendHost;
  let guard: GuardKeeper;
  let ends: TunnelEnds;

  beforeEach(async () => {
    bench = await GuardBench.create();
    ({ own, peer, stranger, guard } = bench);
    ends = await connect(own, peer);
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const guardOwn = (fields: Partial<GuardRules> = {}): Promise<number> =>
    bench.guardOwn({ tunnel, ...fields });
  /** Datagrams to the encapsulation port of `to`, each with a packet from a pod of `from` to one of `to`. */
  const encapsulated = (from: BackendHost, to: BackendHost): Datagrams => ({
    target: to.underlayIp,
    port: tunnel.port,
    payload: ends.payloadFor(to, { source: podIp(from), destination: podIp(to) }),
  });
  const arrivedAt = (host: BackendHost): Promise<() => Promise<number>> =>
    countPackets(host.pod, `udp dport ${POD_PORT}`);

  it("lets the engine see datagrams of lease holders, and of nobody else", async () => {
    const arrived = await arrivedAt(own);
    const seen = async (): Promise<number | undefined> => (await ends.backend?.counters())?.decapDropStranger;
    await sendDatagrams(stranger.namespace, encapsulated(peer, own));
    await eventually(async () => expect(await seen()).toBe(10)); // the engine looks, too
    await guardOwn();

    await sendDatagrams(stranger.namespace, encapsulated(peer, own));
    await sendDatagrams(own.namespace, encapsulated(peer, own));
    await sendDatagrams(own.namespace, { ...encapsulated(peer, own), target: "127.0.0.1" });
    await sendDatagrams(peer.namespace, encapsulated(peer, own));
    await expectDrops(guard, { guardDropStranger: 30 });
    await eventually(async () => expect(await arrived()).toBe(10));
    expect(await seen()).toBe(10);
  });

  it("takes nothing from its own pods, who may have a peer's address", async () => {
    const arrived = await arrivedAt(own);
    await own.pod.ip([`addr add ${peer.underlayIp}/32 dev lo`]);
    await own.namespace.sysctl(["net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.pod1.rp_filter=0"]);
    const asPeer = { ...encapsulated(peer, own), source: peer.underlayIp };
    await sendDatagrams(own.pod, asPeer);
    await eventually(async () => expect(await arrived()).toBe(10)); // the engine cannot tell
    await guardOwn();

    await sendDatagrams(own.pod, asPeer);
    await sendDatagrams(own.pod, encapsulated(peer, own));
    await sendDatagrams(own.pod, { ...encapsulated(peer, own), target: "10.244.1.1" });
    await expectDrops(guard, { guardDropPod: 30 });
    expect(await arrived()).toBe(10);
  });

  it("keeps its pods from a peer's port, and forwards to it what others send", async () => {
    await bench.nft.apply(MASQUERADE, NO_ABORT);
    const arrived = await arrivedAt(peer);
    const passed = await countPackets(
      peer.namespace,
      `udp dport ${tunnel.port} ip saddr ${stranger.underlayIp}`,
    );
    await sendDatagrams(own.pod, encapsulated(own, peer));
    await eventually(async () => expect(await arrived()).toBe(10)); // with the address of their node
    await guardOwn();

    await sendDatagrams(own.pod, encapsulated(own, peer));
    await expectDrops(guard, { guardDropPod: 10 });
    expect(await arrived()).toBe(10);
    await stranger.ip(`route add ${peer.underlayIp} via ${own.underlayIp}`);
    await sendDatagrams(stranger.namespace, encapsulated(own, peer));
    await eventually(async () => expect(await passed()).toBe(10));
    await expectDrops(guard, { guardDropPod: 10 });
  });

  it("answers nobody in clear from the overlay device's address, but direct peers", async () => {
    for (const host of [peer, stranger]) await host.ip(`route add ${own.subnet} via ${own.underlayIp}`);
    const ask = async (from: BackendHost): Promise<number> =>
      (await ping(from.namespace, deviceIp(own), { count: 10, isAnswered: false })).received;
    expect((await ping(stranger.namespace, deviceIp(own), { count: 10 })).received).toBeGreaterThanOrEqual(
      10,
    );
    await guardOwn();
    expect(await ask(stranger)).toBe(0);
    expect(await ask(peer)).toBe(0);
    await expectDrops(guard, { guardDropUnencapsulated: 20 });

    await guardOwn({ peers: [guarded(peer, true)] });
    expect((await ping(peer.namespace, deviceIp(own), { count: 10 })).received).toBeGreaterThanOrEqual(10);
    expect(await ask(stranger)).toBe(0);
    await expectDrops(guard, { guardDropUnencapsulated: 30 });
  });

  it("lets nothing leave in clear for the overlay, and everything through the tunnel", async () => {
    await guardOwn();
    for (const from of [own.pod, own.namespace])
      expect((await ping(from, podIp(peer), { count: 10 })).received).toBeGreaterThanOrEqual(10);
    expect((await ping(peer.pod, podIp(own), { count: 10 })).received).toBeGreaterThanOrEqual(10);
    await expectDrops(guard, {});
    expect(await bench.network.leaks()).toBe(0);

    await own.ip(`link set ${tunnel.deviceName} down`, `route del blackhole 10.244.0.0/16 metric 4278198272`);
    for (const from of [own.pod, own.namespace]) await ping(from, podIp(peer), TEN);
    await expectDrops(guard, { guardDropLeak: 20 });
    expect(await bench.network.leaks()).toBe(0);

    await own.ip(`route add ${peer.subnet} via ${peer.underlayIp}`);
    const sent = await countPackets(peer.pod, "icmp type echo-request");
    await guardOwn({ peers: [guarded(peer, true)] });
    await ping(own.pod, podIp(peer), TEN);
    await eventually(async () => expect(await sent()).toBe(10));
    await expectDrops(guard, { guardDropLeak: 20 });
  });
});
