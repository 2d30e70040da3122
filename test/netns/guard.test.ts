import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GuardKeeper } from "../../src/kernel/firewall/guard-keeper.ts";
import type { NftCommand } from "../../src/kernel/firewall/nft-command.ts";
import { ping } from "../support/backend-hosts.ts";
import type { BackendHost } from "../support/backend-hosts.ts";
import { eventually } from "../support/eventually.ts";
import { GuardBench } from "../support/guard-bench.ts";
import {
  DEVICE,
  MASQUERADE,
  NO_ABORT,
  POD_PORT,
  VXLAN_PORT,
  countPackets,
  deviceIp,
  expectDrops,
  frameTo,
  framesTaken,
  guarded,
  keeperOf,
  makeVxlanDevice,
  podIp,
  rulesOf,
  DIRECT_TUNNEL,
  sendDatagrams,
} from "../support/guarded-hosts.ts";
import { prefixOf } from "../support/ipv4.ts";
import { PROTOCOL, icmpPayload } from "../support/packets.ts";
import type { PacketFields } from "../support/packets.ts";

const TABLE = "ip twill-10.244.0.0-16";
/** Packets of a third of a second, as fast as one process sends them. */
const MANY = 50_000;
const REPLACEMENTS = 30;

let bench: GuardBench;
let own: BackendHost, peer: BackendHost, stranger: BackendHost;
let nft: NftCommand;
let guard: GuardKeeper;

beforeEach(async () => {
  bench = await GuardBench.create();
  ({ own, peer, stranger, nft, guard } = bench);
});
afterEach(() => bench[Symbol.asyncDispose]());

/** Replaces the table again and again while somebody sends. */
async function replacing(
  replace: (round: number) => Promise<unknown>,
  send: () => Promise<void>,
): Promise<void> {
  const progress = { isOver: false };
  const sent = (async () => {
    do await send();
    while (!progress.isOver);
  })();
  try {
    for (let round = 0; round < REPLACEMENTS; round++) await replace(round);
  } finally {
    progress.isOver = true;
    await sent;
  }
}

describe("the encapsulation port", () => {
  /** A packet from a pod of the peer to a pod of ours. */
  const toOwn = (): Buffer => frameTo(own, { source: podIp(peer), destination: podIp(own) });
  const target = (): { target: string; payload: Buffer } => ({ target: own.underlayIp, payload: toOwn() });

  beforeEach(() => makeVxlanDevice(own, [peer]));

  it("takes the frames of lease holders and none of anybody else", async () => {
    await sendDatagrams(stranger.namespace, target());
    await eventually(async () => expect(await framesTaken(own)).toBe(10)); // flannel's state: everybody's
    await bench.guardOwn();

    await sendDatagrams(stranger.namespace, target());
    await expectDrops(guard, { guardDropStranger: 10 });
    expect(await framesTaken(own)).toBe(10);

    await sendDatagrams(peer.namespace, target());
    await eventually(async () => expect(await framesTaken(own)).toBe(20));
    await expectDrops(guard, { guardDropStranger: 10 });
  });

  it("takes nothing from programs on its own host", async () => {
    await bench.guardOwn();
    await sendDatagrams(own.namespace, target());
    await sendDatagrams(own.namespace, { ...target(), target: "127.0.0.1" });
    await expectDrops(guard, { guardDropStranger: 20 });
    expect(await framesTaken(own)).toBe(0);
  });

  it("takes nothing from its own pods, whatever address they send to or from", async () => {
    await own.pod.ip([`addr add ${peer.underlayIp}/32 dev lo`]);
    await own.namespace.sysctl(["net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.pod1.rp_filter=0"]);
    const asPeer = { ...target(), source: peer.underlayIp };
    await sendDatagrams(own.pod, asPeer);
    await eventually(async () => expect(await framesTaken(own)).toBe(10));
    await bench.guardOwn();

    await sendDatagrams(own.pod, asPeer);
    await sendDatagrams(own.pod, target());
    await sendDatagrams(own.pod, { ...target(), target: "10.244.1.1" });
    await expectDrops(guard, { guardDropPod: 30 });
    expect(await framesTaken(own)).toBe(10);
  });

  it("is out of reach for pods at the peers too, where they would come with their node's address", async () => {
    await makeVxlanDevice(peer, [own]);
    await nft.apply(MASQUERADE, NO_ABORT);
    const peerGuard = keeperOf(await bench.programs.in(peer.namespace));
    await peerGuard.sync(rulesOf(peer, [guarded(own)]), NO_ABORT);
    const bounce = {
      target: peer.underlayIp,
      payload: frameTo(peer, { source: podIp(own), destination: podIp(peer) }),
    };
    const arrived = await countPackets(peer.pod, `udp dport ${POD_PORT}`);

    await sendDatagrams(own.pod, bounce);
    await eventually(async () => expect(await arrived()).toBe(10));
    await expectDrops(peerGuard, {}); // a receiver alone cannot tell

    await bench.guardOwn();
    await sendDatagrams(own.pod, bounce);
    await expectDrops(guard, { guardDropPod: 10 });
    expect(await arrived()).toBe(10);
  });

  it("is somebody else's where this host is the router between them", async () => {
    await bench.guardOwn();
    const passed = await countPackets(peer.namespace, `udp dport ${VXLAN_PORT}`);
    await stranger.ip(`route add ${peer.underlayIp} via ${own.underlayIp}`);
    await sendDatagrams(stranger.namespace, { ...target(), target: peer.underlayIp });
    await eventually(async () => expect(await passed()).toBe(10));
    await expectDrops(guard, {});
  });

  it("is never open while the table is replaced", async () => {
    await bench.guardOwn();
    await replacing(
      () => keeperOf(nft).sync(rulesOf(own, [guarded(peer)]), NO_ABORT),
      () => sendDatagrams(stranger.namespace, { ...target(), count: MANY }),
    );
    expect(await framesTaken(own)).toBe(0);
  });
});

describe("what was decapsulated", () => {
  let arrived: () => Promise<number>;

  beforeEach(async () => {
    await makeVxlanDevice(own, [peer]);
    arrived = await countPackets(own.pod, "meta l4proto { udp, icmp }");
  });

  /** Ten packets of the peer. */
  async function send(packet: PacketFields): Promise<void> {
    const payload = frameTo(own, { source: podIp(peer), destination: podIp(own), ...packet });
    await sendDatagrams(peer.namespace, { target: own.underlayIp, payload });
  }

  it.each<[string, PacketFields, Record<string, string>]>([
    ["of a third node", { source: "10.244.9.9" }, {}],
    ["from outside the overlay", { source: "203.0.113.9" }, {}],
    ["of this node itself", { source: "10.244.1.9" }, {}],
    ["of this node's device", { source: "10.244.1.0" }, { accept_local: "1" }],
  ])("is dropped with an inner source %s", async (_what, packet, settings) => {
    const sysctls = Object.entries({ rp_filter: "0", ...settings });
    await own.namespace.sysctl(
      sysctls.map(([name, value]) => `net.ipv4.conf.${DEVICE.replace(".", "/")}.${name}=${value}`),
    );
    await bench.guardOwn();
    await send(packet);
    await expectDrops(guard, { guardDropForged: 10 });
    expect(await arrived()).toBe(0);
  });

  it("is dropped when it is for somebody else", async () => {
    await bench.guardOwn();
    await send({ destination: "192.0.2.3" });
    await send({ destination: "10.244.9.9" });
    await expectDrops(guard, { guardDropForged: 20 });
  });

  it("arrives from a peer's subnet", async () => {
    await bench.guardOwn();
    await send({});
    await send({ protocol: PROTOCOL.icmp, payload: icmpPayload(11) });
    await eventually(async () => expect(await arrived()).toBe(20));
    await expectDrops(guard, {});
  });

  it("arrives to the last packet while the table is replaced, whatever was there", async () => {
    await bench.guardOwn();
    const payload = frameTo(own, { source: podIp(peer), destination: podIp(own) });
    await replacing(
      async (round) => {
        // As a start finds it, in turn: the table of an earlier run, none, and one with other rules.
        if (round % 3 === 1) await nft.apply(`delete table ${TABLE}`, NO_ABORT);
        const isSourceChecked = round % 3 !== 2;
        await keeperOf(nft).sync(rulesOf(own, [guarded(peer)], { isSourceChecked }), NO_ABORT);
      },
      () => sendDatagrams(peer.namespace, { target: own.underlayIp, payload, count: MANY }),
    );
    expect(await framesTaken(own)).toBeGreaterThanOrEqual(MANY);
    await eventually(async () => expect(await arrived()).toBe(await framesTaken(own)));
    await expectDrops(guard, {});
  });

  it("may come from outside the overlay where sources are not checked, but not from this node", async () => {
    await own.namespace.sysctl([
      "net.ipv4.conf.all.rp_filter=0",
      `net.ipv4.conf.${DEVICE.replace(".", "/")}.rp_filter=0`,
    ]);
    await bench.guardOwn({ isSourceChecked: false });
    await send({ source: "203.0.113.9" });
    await send({ source: "10.244.1.9" });
    await expectDrops(guard, { guardDropForged: 10 });
    expect(await arrived()).toBe(10);
  });
});

describe("the underlay", () => {
  it("sees no packet for the overlay, though the host has no route for it", async () => {
    const count = { count: 10, isAnswered: false };
    await ping(own.pod, podIp(peer), count);
    await eventually(async () => expect(await bench.network.leaks()).toBe(10));
    await bench.guardOwn();
    await ping(own.pod, podIp(peer), count);
    await ping(own.namespace, podIp(peer), count);
    await expectDrops(guard, { guardDropLeak: 20 });
    expect(await bench.network.leaks()).toBe(10);
  });

  it("carries packets of direct peers, with a tunnel and without", async () => {
    await own.ip(
      `route add ${peer.subnet} via ${peer.underlayIp}`,
      `route add ${stranger.subnet} via ${stranger.underlayIp}`,
    );
    await peer.ip(`route add ${own.subnet} via ${own.underlayIp}`);
    const peers = [guarded(peer, true), guarded(stranger)];
    for (const tunnel of [DIRECT_TUNNEL, null]) {
      await bench.guardOwn({ tunnel, peers });
      expect((await ping(own.pod, podIp(peer))).received).toBeGreaterThanOrEqual(3);
      expect((await ping(peer.pod, podIp(own))).received).toBeGreaterThanOrEqual(3);
      await ping(own.pod, podIp(stranger), { count: 10, isAnswered: false });
      await expectDrops(guard, { guardDropLeak: 10 });
    }
  });

  it("stays within reach where it lies in the overlay's network", async () => {
    const inside = { network: prefixOf("192.0.0.0/8"), ownSubnet: prefixOf("192.7.7.0/24") };
    await bench.guardOwn({ ...inside, underlayPrefixes: [] });
    expect((await ping(own.namespace, peer.underlayIp, { isAnswered: false })).received).toBe(0);
    await bench.guardOwn({
      ...inside,
      underlayPrefixes: [prefixOf("192.0.2.0/24"), prefixOf("198.51.100.0/24")],
    });
    expect((await ping(own.namespace, peer.underlayIp)).received).toBeGreaterThanOrEqual(3);
  });

  it("gets no answer in clear from the overlay device's address, but for direct peers", async () => {
    await makeVxlanDevice(own, []);
    for (const host of [peer, stranger]) await host.ip(`route add ${own.subnet} via ${own.underlayIp}`);
    await own.ip(`route add ${peer.subnet} via ${peer.underlayIp}`);
    const ask = async (from: BackendHost): Promise<number> =>
      (await ping(from.namespace, deviceIp(own), { isAnswered: false })).received;
    expect((await ping(stranger.namespace, deviceIp(own))).received).toBeGreaterThanOrEqual(3);
    await bench.guardOwn();
    expect(await ask(stranger)).toBe(0);
    expect(await ask(peer)).toBe(0);
    await expectDrops(guard, { guardDropUnencapsulated: 6 });

    await bench.guardOwn({ peers: [guarded(peer, true)], tunnel: DIRECT_TUNNEL });
    expect(await ask(stranger)).toBe(0);
    expect((await ping(peer.namespace, deviceIp(own))).received).toBeGreaterThanOrEqual(3);
    expect((await ping(peer.pod, deviceIp(own))).received).toBeGreaterThanOrEqual(3);
    await expectDrops(guard, { guardDropUnencapsulated: 9 });
  });
});
