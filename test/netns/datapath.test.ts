/** The udp backend with each packet engine, and what it does with a device that was made for another one. */
import { describe, expect, it } from "vitest";
import type { DatapathOptions } from "../../src/datapath/choose-engine.ts";
import type { PeerCounters } from "../../src/datapath/packet-engine.ts";
import { eventually } from "../support/eventually.ts";
import { TUN_TAKES_UDP_RUNS } from "../support/kernel.ts";
import { BackendNetwork, introduce, ping, startTraffic } from "../support/backend-hosts.ts";
import type { BackendProcess, BackendHost } from "../support/backend-hosts.ts";

const PINGS = 20;
const PING_BYTES = 84;
/** Requests during a restart, which takes some 100 ms at least: there are 800 a second. */
const MIN_TRAFFIC = 20;
/** A pod of h2, as h1 sees it. */
const ELSEWHERE = "10.244.2.2";
const OVERLAY_ROUTE = "10.244.0.0/16 dev flannel0 proto 84";
const BLACKHOLE = "blackhole 10.244.0.0/16 proto 84 metric 4278198272";
const ALL_RUNS = TUN_TAKES_UDP_RUNS ? "tcp+udp" : "tcp";
const ONE: Partial<DatapathOptions> = { engine: "native", queues: 1 };
const SEVERAL: Partial<DatapathOptions> = { engine: "native", queues: 3 };

async function peerCounters(backend: BackendProcess): Promise<Partial<PeerCounters>[]> {
  return (await backend.ask({ do: "readPeers" })) as Partial<PeerCounters>[];
}

/** The part of iproute2's answer that tells the kinds of TUN apart. */
async function showTun(host: BackendHost): Promise<unknown> {
  const json = await host.namespace.execChecked(["ip", "-j", "-d", "link", "show", "dev", "flannel0"]);
  return (JSON.parse(json) as { linkinfo: { info_data: unknown } }[])[0]?.linkinfo.info_data;
}

describe.each<[string, Partial<DatapathOptions>, object]>([
  ["dgram", { engine: "dgram" }, { engine: "dgram", queues: 1, offload: "off", sourcePort: "fixed" }],
  ["native", ONE, { engine: "native", queues: 1, offload: ALL_RUNS, sourcePort: "fixed" }],
  [
    "native with 3 queues and a source port for each flow",
    { ...SEVERAL, sourcePort: "flow-hash" },
    { engine: "native", queues: 3, offload: ALL_RUNS, sourcePort: "flow-hash" },
  ],
  [
    "native without offloads",
    { ...ONE, offload: "off" },
    { engine: "native", queues: 1, offload: "off", sourcePort: "fixed" },
  ],
])("the udp backend with %s", (_name, datapath, state) => {
  it("carries a ping to a peer with the other engine, counted for the peer, and says how", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const onH1 = await h1.startBackend({ datapath });
    expect(await onH1.datapath()).toBeNull();
    await onH1.ask({ do: "open", subnet: h1.subnet });
    const other = datapath.engine === "native" ? "dgram" : "native";
    await introduce(h1, onH1, h2, await h2.openBackend({ datapath: { engine: other } }));

    await ping(h1.pod, ELSEWHERE, { count: PINGS, isAnswered: false });

    const counted = {
      subnet: h2.subnet,
      underlayIp: h2.underlayIp,
      encapPackets: PINGS,
      encapBytes: PINGS * PING_BYTES,
      decapPackets: PINGS,
      decapBytes: PINGS * PING_BYTES,
      decapDropped: 0,
    };
    await eventually(async () => expect(await peerCounters(onH1)).toEqual([counted]));
    expect(await onH1.counters()).toMatchObject({ encapSent: PINGS, decapDelivered: PINGS });
    expect(await onH1.datapath()).toEqual(state);
    expect(await onH1.ask({ do: "readLog" })).toMatchObject([{ level: 30, ...state }]);
  });

  it("keeps what it counted for a peer when the device is made again", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const [onH1, onH2] = [await h1.openBackend({ datapath }), await h2.openBackend({ datapath })];
    await introduce(h1, onH1, h2, onH2);
    await ping(h1.pod, ELSEWHERE, { count: PINGS, isAnswered: false });
    await eventually(async () => expect(await peerCounters(onH1)).toMatchObject([{ decapPackets: PINGS }]));

    await h1.ip("link del flannel0");
    expect(await onH1.ask({ do: "audit" })).toBe(1);
    await ping(h1.pod, ELSEWHERE, { count: 1, isAnswered: false });

    await eventually(async () =>
      expect(await peerCounters(onH1)).toMatchObject([{ encapPackets: PINGS + 1, decapPackets: PINGS + 1 }]),
    );
    await onH1.ask({ do: "close" });
    expect(await peerCounters(onH1)).toMatchObject([{ encapPackets: PINGS + 1 }]);
    expect(await onH1.datapath()).toBeNull();
  });

  it("counts the same at every moment of its end", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const [onH1, onH2] = [await h1.openBackend({ datapath }), await h2.openBackend({ datapath })];
    await introduce(h1, onH1, h2, onH2);
    await ping(h1.pod, ELSEWHERE, { count: PINGS, isAnswered: false });
    await eventually(async () => expect(await peerCounters(onH1)).toMatchObject([{ encapPackets: PINGS }]));

    const seen = (await onH1.ask({ do: "watchClose" })) as unknown[];

    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(seen).toEqual(seen.map(() => [PINGS, [PINGS]]));
  });
});

describe.each([
  ["one queue to several", ONE, SEVERAL, { multi_queue: true, numqueues: 3 }],
  ["several queues to one", SEVERAL, ONE, { multi_queue: false }],
  ["several queues to dgram", SEVERAL, { engine: "dgram" } as const, { multi_queue: false, vnet_hdr: false }],
  ["several queues to fewer", SEVERAL, { ...ONE, queues: 2 }, { multi_queue: true, numqueues: 2 }],
  ["native to dgram", ONE, { engine: "dgram" } as const, { multi_queue: false, vnet_hdr: false }],
])("a restart from %s", (_how, from, to, tun) => {
  it("changes the device behind its blackhole route: nothing leaves in clear, and all of it is as wanted", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    await (await h1.openBackend({ datapath: from })).kill();
    const before = await h1.show();
    await h1.ip("route del blackhole 10.244.0.0/16"); // nothing but the device holds packets now
    const traffic = startTraffic(h1.pod, ELSEWHERE);

    const onH1 = await h1.openBackend({ datapath: to });

    const sent = await traffic.stop();
    expect(await network.leaks()).toBe(0);
    expect(sent).toBeGreaterThan(MIN_TRAFFIC);
    expect((await h1.show()).slice(1)).toEqual([
      expect.stringContaining(" inet 10.244.1.0/32 "),
      ...before.slice(2),
    ]);
    expect(before).toEqual(expect.arrayContaining([OVERLAY_ROUTE, BLACKHOLE]));
    expect(await showTun(h1)).toMatchObject({ persist: true, ...tun });
    await introduce(h1, onH1, h2, await h2.openBackend());
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
    expect(await onH1.warnings()).toEqual([]);
  });
});

describe("a device of the other kind", () => {
  it("is left as it is by advertise", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await (await h1.openBackend({ datapath: ONE })).kill();
    const [before, index] = [await h1.show(), await h1.interfaceIndex("flannel0")];

    await (await h1.startBackend({ datapath: SEVERAL })).ask({ do: "advertise" });

    expect(await h1.interfaceIndex("flannel0")).toBe(index);
    expect(await h1.show()).toEqual(before);
  });

  it.each([true, false])(
    "leaves a blackhole when the socket cannot be bound (it was there before: %s)",
    async (hasBlackhole) => {
      await using network = await BackendNetwork.create(1);
      const h1 = network.host(1);
      await (await h1.openBackend({ datapath: ONE })).kill();
      if (!hasBlackhole) await h1.ip("route del blackhole 10.244.0.0/16");

      const backend = await h1.startBackend({ datapath: SEVERAL, interfaceIp: "192.0.2.99" });
      await expect(backend.ask({ do: "open", subnet: h1.subnet })).rejects.toMatchObject({
        code: "ERR_SOCKET_FAILED",
      });

      expect(await h1.show()).toContain(BLACKHOLE);
      await ping(h1.pod, ELSEWHERE, { isAnswered: false });
      expect(await network.leaks()).toBe(0);
    },
  );

  it("takes along the routes to the network of an earlier configuration", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const earlier = await h1.startBackend({ network: "10.99.0.0/16", datapath: ONE });
    await earlier.ask({ do: "open", subnet: "10.99.4.0/24" });
    await earlier.kill();

    await h1.openBackend({ datapath: SEVERAL });

    const shown = await h1.show();
    expect(shown).toEqual(expect.arrayContaining([OVERLAY_ROUTE, BLACKHOLE]));
    expect(shown.join("\n")).not.toContain("10.99.");
  });

  it.each([
    ["tun", "1 queue", ONE, "tuntap add dev flannel0 mode tun multi_queue"],
    ["tun", "several queues", SEVERAL, "tuntap add dev flannel0 mode tun"],
  ])(
    "is replaced when it is somebody's %s that nobody is attached to (%s)",
    async (_tun, _n, datapath, made) => {
      await using network = await BackendNetwork.create(1);
      const h1 = network.host(1);
      await h1.ip(made);

      await h1.openBackend({ datapath });

      expect(await h1.show()).toEqual(expect.arrayContaining([OVERLAY_ROUTE, BLACKHOLE]));
      expect(await showTun(h1)).toMatchObject({ multi_queue: datapath === SEVERAL, persist: true });
    },
  );

  it.each([
    ["a TAP", "tuntap add dev flannel0 mode tap"],
    ["a TAP with several queues", "tuntap add dev flannel0 mode tap multi_queue"],
    ["a veth", "link add flannel0 type veth peer name flannel9"],
  ])("stays, and is an error, when it is %s", async (_what, made) => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip(made);
    const before = await h1.show();
    for (const datapath of [ONE, SEVERAL]) {
      const backend = await h1.startBackend({ datapath });
      for (const request of [{ do: "advertise" } as const, { do: "open", subnet: h1.subnet } as const]) {
        await expect(backend.ask(request)).rejects.toMatchObject({ code: "ERR_TUN_FAILED" });
      }
    }
    expect(await h1.show()).toEqual(before);
  });

  it.each([
    ["one queue", ONE],
    ["several queues", SEVERAL],
  ])("is not touched while an agent with %s has it", async (_what, datapath) => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const first = await h1.openBackend({ datapath });
    await introduce(h1, first, h2, await h2.openBackend());
    const [before, tun] = [await h1.show(), await showTun(h1)];

    for (const wanted of [ONE, SEVERAL]) {
      const second = await h1.startBackend({ datapath: wanted });
      for (const request of [{ do: "advertise" } as const, { do: "open", subnet: h1.subnet } as const]) {
        await expect(second.ask(request)).rejects.toMatchObject({ code: "ERR_TUN_BUSY" });
      }
    }

    expect(await h1.show()).toEqual(before);
    expect(await showTun(h1)).toEqual(tun);
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
  });
});
