/**
 * What a neighbour on the underlay sends without encapsulation to addresses of the overlay, in the hope that the host takes it
 * for what came out of the tunnel (CVE-2019-14899): before address translation can make something else of it.
 *
 *   container 203.0.113.2, pod 10.244.1.2 -- [own, overlay device 10.244.1.0] --underlay-- [peer] -- pod 10.244.2.2
 *                                                                               \-- [stranger]
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GuardKeeper } from "../../src/kernel/firewall/guard-keeper.ts";
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
  podIp,
  sendDatagrams,
} from "../support/guarded-hosts.ts";
import type { Datagrams } from "../support/guarded-hosts.ts";
import { GUARDED_WAYS } from "../support/guarded-tunnels.ts";

/** On the own host, and not of the overlay: what it sends there is masqueraded. */
const CONTAINER_IP = "203.0.113.2";
const CONTAINER_PORT = 4000;
const PAYLOAD = Buffer.from("in clear");
/** None of the overlay and none of a neighbour: behind some router. */
const ELSEWHERE = "198.51.100.9";

describe.each(GUARDED_WAYS)("a neighbour of a host with $name", ({ tunnel, connect }) => {
  let bench: GuardBench;
  let own: BackendHost, peer: BackendHost, stranger: BackendHost;
  let guard: GuardKeeper;

  beforeEach(async () => {
    bench = await GuardBench.create();
    ({ own, peer, stranger, guard } = bench);
    await connect(own, peer);
    await own.namespace.sysctl(["net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0"]);
    for (const ip of [podIp(peer), ELSEWHERE]) await stranger.ip(`addr add ${ip}/32 dev lo`);
    await stranger.ip(`route add ${own.subnet} via ${own.underlayIp}`);
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  it("cannot answer a masqueraded flow into the overlay, and the peer's pod can", async () => {
    await bench.nft.apply(MASQUERADE, NO_ABORT);
    await own.ip("addr add 203.0.113.1/24 dev pod1");
    await own.pod.ip([`addr add ${CONTAINER_IP}/24 dev eth0`]);
    const asked = await countPackets(peer.pod, `ip saddr ${deviceIp(own)} udp sport ${CONTAINER_PORT}`);
    const answered = await countPackets(
      own.pod,
      `meta l4proto udp ip saddr ${podIp(peer)} ip daddr ${CONTAINER_IP}`,
    );
    const answer = { sourcePort: POD_PORT, target: deviceIp(own), port: CONTAINER_PORT, payload: PAYLOAD };
    const forged: Datagrams = { ...answer, source: podIp(peer) };
    const ask: Datagrams = {
      sourcePort: CONTAINER_PORT,
      target: podIp(peer),
      port: POD_PORT,
      payload: PAYLOAD,
    };
    await sendDatagrams(own.pod, { ...ask, source: CONTAINER_IP });
    await eventually(async () => expect(await asked()).toBe(10));
    await sendDatagrams(stranger.namespace, forged);
    await eventually(async () => expect(await answered()).toBe(10)); // without a guard: translated and delivered
    await bench.guardOwn({ tunnel });

    await sendDatagrams(stranger.namespace, forged);
    await expectDrops(guard, { guardDropUnencapsulated: 10 });
    await sendDatagrams(peer.pod, answer);
    await eventually(async () => expect(await answered()).toBe(20));
    await expectDrops(guard, { guardDropUnencapsulated: 10 });
  });

  it("cannot speak to a pod as another of the overlay without direct routing, and a router can as anybody outside", async () => {
    const arrived = await countPackets(own.pod, `udp dport ${POD_PORT}`);
    const toPod = { target: podIp(own), port: POD_PORT, payload: PAYLOAD };
    const forged = { ...toPod, source: podIp(peer) };
    await sendDatagrams(stranger.namespace, forged);
    await eventually(async () => expect(await arrived()).toBe(10)); // without a guard
    await bench.guardOwn({ tunnel });

    await sendDatagrams(stranger.namespace, forged);
    await sendDatagrams(stranger.namespace, { ...forged, target: deviceIp(own) });
    await expectDrops(guard, { guardDropUnencapsulated: 20 });
    expect(await arrived()).toBe(10);
    await sendDatagrams(stranger.namespace, { ...toPod, source: ELSEWHERE });
    await sendDatagrams(peer.pod, toPod); // through the tunnel
    await eventually(async () => expect(await arrived()).toBe(30));
    await bench.guardOwn({ tunnel: { ...tunnel, isDirectRouting: true } });
    await peer.ip(`route replace ${own.subnet} via ${own.underlayIp}`);
    await sendDatagrams(peer.pod, toPod); // as with direct routing
    await eventually(async () => expect(await arrived()).toBe(40));
    await expectDrops(guard, { guardDropUnencapsulated: 20 });
  });
});
