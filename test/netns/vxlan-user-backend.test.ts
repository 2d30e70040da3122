/*  pod 10.244.N.2 -- [host hN: TUN flannel.1 10.244.N.0/32, packet engine] eth0 192.0.2.N --[br0]-- router .254  */
import { describe, expect, it } from "vitest";
import type { DatapathOptions } from "../../src/datapath/choose-engine.ts";
import { BackendNetwork, ping, startTraffic } from "../support/backend-hosts.ts";
import type { BackendHost, BackendProcess } from "../support/backend-hosts.ts";
import { eventually } from "../support/eventually.ts";
import { introduceAll, makeKernelVxlan, openVxlan } from "../support/vxlan-hosts.ts";

const DEFAULT_ROUTE = "default via 192.0.2.254 dev eth0";
const OVERLAY_ROUTE = "10.244.0.0/16 dev flannel.1 proto 84";
const BLACKHOLE = "blackhole 10.244.0.0/16 proto 84 metric 4278198272";
const POD_ROUTE = "10.244.1.0/24 dev pod1 proto kernel scope link src 10.244.1.1";
const UNDERLAY_ROUTE = "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1";
/** Routes of h1 before a backend touches it, and after. */
const BARE = [DEFAULT_ROUTE, POD_ROUTE, UNDERLAY_ROUTE];
const ROUTED = [DEFAULT_ROUTE, OVERLAY_ROUTE, BLACKHOLE, POD_ROUTE, UNDERLAY_ROUTE];

/** A pod of h2. */
const ELSEWHERE = "10.244.2.2";
const NO_ANSWER = { isAnswered: false };
const PINGS = 20;
const FOREIGN_MAC = "5e:12:34:56:78:9a";
/** Requests during a start, which takes some 100 ms at least: there are 800 a second. */
const MIN_TRAFFIC = 20;

/** The counters that are not zero. */
async function nonZero(backend: BackendProcess): Promise<Record<string, number>> {
  return Object.fromEntries(Object.entries(await backend.counters()).filter(([, value]) => value !== 0));
}

/** Lines of what `ip` shows about devices of this kind. */
async function links(host: BackendHost, kind: string): Promise<string[]> {
  const text = await host.namespace.execChecked(["ip", "-o", "link", "show", "type", kind]);
  return text.split("\n").filter((line) => line !== "");
}

describe.each<[string, Partial<DatapathOptions>]>([
  ["native", { engine: "native", queues: 1 }],
  ["dgram", { engine: "dgram" }],
])("the vxlan backend in user space with %s", (_engine, datapath) => {
  it("advertises a VTEP that stays the same, and leaves the host as it was", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const ask = async (vni: number): Promise<unknown> =>
      await (
        await h1.startBackend({ type: "vxlan", config: { VNI: vni }, datapath })
      ).ask({ do: "advertise" });

    const data = await ask(1);

    const isLocalUnicast = expect.stringMatching(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/) as unknown;
    expect(data).toEqual({ type: "vxlan", data: { VNI: 1, VtepMAC: isLocalUnicast } });
    expect(await ask(1)).toEqual(data);
    expect(await ask(2)).not.toMatchObject({
      data: { VtepMAC: (data as { data: { VtepMAC: string } }).data.VtepMAC },
    });
    expect(await h1.show()).toEqual(BARE);
  });

  it("makes the device, its address and its routes, and leaves them when it is killed", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const { backend } = await openVxlan(h1, { datapath });
    const made = [
      expect.stringMatching(
        /^\d+: flannel\.1: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1450 .* alias twill$/,
      ),
      expect.stringMatching(/^\d+: flannel\.1 inet 10\.244\.1\.0\/32 scope global flannel\.1/),
      ...ROUTED,
    ];
    expect(await h1.show()).toEqual(made);
    expect(await nonZero(backend)).toEqual({});
    const index = await h1.interfaceIndex("flannel.1");

    await backend.kill();
    expect((await h1.show()).slice(2)).toEqual(ROUTED);
    expect((await ping(h1.pod, ELSEWHERE, NO_ANSWER)).received).toBe(0);
    expect(await network.leaks()).toBe(0);

    await openVxlan(h1, { datapath });
    expect(await h1.interfaceIndex("flannel.1")).toBe(index);
    expect(await h1.show()).toEqual(made);
  });

  it("carries every packet of a ping to a node with the other engine, and counts it once", async () => {
    await using network = await BackendNetwork.create(2);
    const other = datapath.engine === "native" ? "dgram" : "native";
    const n1 = await openVxlan(network.host(1), { datapath });
    const n2 = await openVxlan(network.host(2), { datapath: { engine: other } });
    await introduceAll(n1, n2);

    await ping(n1.host.pod, ELSEWHERE, { count: PINGS, isAnswered: false });

    const bytes = PINGS * 84;
    const each = { encapSent: PINGS, encapBytes: bytes, decapDelivered: PINGS, decapBytes: bytes };
    for (const { backend } of [n1, n2]) {
      await eventually(async () => expect(await nonZero(backend)).toEqual(each));
    }
    expect(await network.leaks()).toBe(0);
  });

  it.each([
    [{}, 1450],
    [{ MTU: 1300 }, 1250],
    [{ MTU: 9000 }, 1450],
  ])("has with %j an MTU of %d: one byte more is answered, not sent", async (config, mtu) => {
    await using network = await BackendNetwork.create(2);
    const n1 = await openVxlan(network.host(1), { datapath, config });
    const n2 = await openVxlan(network.host(2), { datapath, config });
    await introduceAll(n1, n2);

    expect((await ping(n1.host.pod, ELSEWHERE, { bytes: mtu })).received).toBeGreaterThanOrEqual(3);
    const before = await nonZero(n1.backend);
    const tooLong = await ping(n1.host.pod, ELSEWHERE, { ...NO_ANSWER, bytes: mtu + 1 });

    expect(tooLong.output).toContain(`Frag needed and DF set (mtu = ${mtu})`);
    expect(await nonZero(n1.backend)).toEqual(before);
  });

  it("drops what a peer with another VNI sends", async () => {
    await using network = await BackendNetwork.create(2);
    const n1 = await openVxlan(network.host(1), { datapath });
    const n2 = await openVxlan(network.host(2), { datapath, config: { VNI: 7 } });
    await introduceAll(n1, n2);

    await ping(n2.host.pod, "10.244.1.2", NO_ANSWER);

    await eventually(async () => expect(await nonZero(n1.backend)).toEqual({ decapDropFrameVni: 3 }));
  });

  it.each([
    "route del 10.244.0.0/16 dev flannel.1",
    "route del blackhole 10.244.0.0/16",
    "address del 10.244.1.0/32 dev flannel.1",
    "link set flannel.1 mtu 1300",
    "link set flannel.1 down",
  ])("puts everything back after `ip %s`", async (damage) => {
    await using network = await BackendNetwork.create(2);
    const n1 = await openVxlan(network.host(1), { datapath });
    const n2 = await openVxlan(network.host(2), { datapath });
    await introduceAll(n1, n2);
    const before = await n1.host.show();

    await n1.host.ip(damage);
    expect(await n1.host.show()).not.toEqual(before);
    expect(await n1.backend.ask({ do: "audit" })).toBeGreaterThanOrEqual(1);

    expect(await n1.host.show()).toEqual(before);
    expect(await n1.backend.ask({ do: "audit" })).toBe(0);
    expect((await ping(n1.host.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
  });

  it.each<[string, string[]]>([
    ["is deleted", []],
    [
      "gives way to a vxlan device",
      [`link add flannel.1 address ${FOREIGN_MAC} type vxlan id 1 dev eth0 dstport 4789`],
    ],
  ])(
    "makes the device again when it %s, with the MAC that peers know, and goes on counting",
    async (_how, then) => {
      await using network = await BackendNetwork.create(2);
      const n1 = await openVxlan(network.host(1), { datapath });
      const n2 = await openVxlan(network.host(2), { datapath });
      await introduceAll(n1, n2);
      const before = await n1.host.show();
      await ping(n1.host.pod, ELSEWHERE);

      await n1.host.ip("link del flannel.1", ...then);
      expect(await n1.backend.ask({ do: "audit" })).toBe(1);

      expect((await n1.host.show()).slice(1)).toEqual([
        expect.stringContaining("10.244.1.0/32"),
        ...before.slice(2),
      ]);
      expect((await ping(n1.host.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3); // h2 was told nothing
      expect((await n1.backend.counters()).encapSent).toBeGreaterThanOrEqual(6);
      expect(await links(n1.host, "vxlan")).toEqual([]);
    },
  );
});

describe("a vxlan device in the place of the TUN", () => {
  it("gives way behind a blackhole route: nothing leaves in clear", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    await makeKernelVxlan(h1, FOREIGN_MAC);
    await h1.ip(
      "neigh replace 10.244.2.0 lladdr 5e:00:00:00:00:02 dev flannel.1 nud permanent",
      "route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
    );
    const traffic = startTraffic(h1.pod, ELSEWHERE);

    const n1 = await openVxlan(h1);

    expect(await traffic.stop()).toBeGreaterThan(MIN_TRAFFIC);
    expect(await network.leaks()).toBe(0);
    expect((await h1.show()).slice(2)).toEqual(ROUTED);
    expect(await links(h1, "vxlan")).toEqual([]);
    expect(await n1.backend.ask({ do: "readLog" })).toMatchObject([
      { level: 30, device: "flannel.1", msg: "Kernel vxlan device removed to make a TUN of its name" },
      { level: 30, msg: "Packet engine started" },
    ]);
    const n2 = await openVxlan(h2);
    await introduceAll(n1, n2);
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
  });

  it("is left as it is by advertise, also by one that must fail", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await makeKernelVxlan(h1, FOREIGN_MAC);
    const before = [await links(h1, "vxlan"), await links(h1, "tun")];

    await (await h1.startBackend({ type: "vxlan" })).ask({ do: "advertise" });
    const failing = await h1.startBackend({ type: "vxlan", interfaceIp: "192.0.2.99" });
    await expect(failing.ask({ do: "advertise" })).rejects.toMatchObject({ code: "ERR_SOCKET_FAILED" });

    expect([await links(h1, "vxlan"), await links(h1, "tun")]).toEqual(before);
  });

  it("leaves the blackhole in its place when the start fails", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await makeKernelVxlan(h1, FOREIGN_MAC);
    await h1.ip("route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink");

    const failing = await h1.startBackend({ type: "vxlan", interfaceIp: "192.0.2.99" });
    await expect(failing.ask({ do: "open", subnet: h1.subnet })).rejects.toMatchObject({
      code: "ERR_SOCKET_FAILED",
    });

    expect(await h1.show()).toContain(BLACKHOLE);
    await ping(h1.pod, ELSEWHERE, NO_ANSWER);
    expect(await network.leaks()).toBe(0);
  });

  it("stays, and is an error, when it is of another kind", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip("link add flannel.1 type veth peer name flannel9");
    const before = await links(h1, "veth");

    const backend = await h1.startBackend({ type: "vxlan" });
    for (const request of [{ do: "advertise" } as const, { do: "open", subnet: h1.subnet } as const]) {
      await expect(backend.ask(request)).rejects.toMatchObject({
        code: "ERR_TUN_FAILED",
        message: expect.stringContaining(
          "Cannot open TUN flannel.1: a device of this name exists",
        ) as unknown,
      });
    }

    expect(await links(h1, "veth")).toEqual(before);
  });
});

describe("options that only the kernel's device knows", () => {
  it("are accepted, and said to mean nothing here, once each", async () => {
    await using network = await BackendNetwork.create(1);
    const { backend } = await openVxlan(network.host(1), { config: { Learning: true, GBP: true } });
    const lines = (await backend.ask({ do: "readLog" })) as { readonly option?: string }[];
    expect(lines.filter(({ option }) => option !== undefined)).toMatchObject([
      { level: 30, option: "Learning" },
      { level: 30, option: "GBP" },
    ]);
  });
});
