import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { BackendNetwork, introduce, ping } from "../support/backend-hosts.ts";
import type { BackendProcess, BackendHost } from "../support/backend-hosts.ts";

const DEFAULT_ROUTE = "default via 192.0.2.254 dev eth0";
const OVERLAY_ROUTE = "10.244.0.0/16 dev flannel0 proto 84";
const BLACKHOLE = "blackhole 10.244.0.0/16 proto 84 metric 4278198272";
const POD_ROUTE = "10.244.1.0/24 dev pod1 proto kernel scope link src 10.244.1.1";
const UNDERLAY_ROUTE = "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1";
/** Routes of h1 before a backend touches it, and after. */
const BARE = [DEFAULT_ROUTE, POD_ROUTE, UNDERLAY_ROUTE];
const ROUTED = [DEFAULT_ROUTE, OVERLAY_ROUTE, BLACKHOLE, POD_ROUTE, UNDERLAY_ROUTE];

const FLOOD = fileURLToPath(new URL("../support/flood.ts", import.meta.url));
/** Far more than it takes on a busy machine, and less than one packet of the stuck underlay below: 120 bytes in 120 s. */
const MAX_CLOSE_MS = 10_000;

/** Addresses of another host's subnet, as the pods of h1 and h1 itself see them. */
const ELSEWHERE = "10.244.2.2";
/** For requests that nobody will answer. */
const NO_ANSWER = { isAnswered: false };

/** Pings the overlay from the host and from its pod; resolves with the number of answers. */
async function pingElsewhere(host: BackendHost): Promise<number> {
  const fromHost = await ping(host.namespace, ELSEWHERE, NO_ANSWER);
  const fromPod = await ping(host.pod, ELSEWHERE, NO_ANSWER);
  return fromHost.received + fromPod.received;
}

/** The counters that are not zero. */
async function nonZero(backend: BackendProcess): Promise<Record<string, number>> {
  return Object.fromEntries(Object.entries(await backend.counters()).filter(([, value]) => value !== 0));
}

describe("advertise of the udp backend", () => {
  it("names no backend in the lease, and leaves the host as it was", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await h1.startBackend();
    const descriptors = await backend.ask({ do: "countDescriptors" });

    expect(await backend.ask({ do: "advertise" })).toEqual({ type: "" });
    expect(await h1.show()).toEqual(BARE);
    expect(await backend.ask({ do: "countDescriptors" })).toBe(descriptors);
  });

  it("fails where open would, before anything is leased", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await h1.startBackend();
    await h1.openBackend();
    const before = await h1.show();

    await expect(backend.ask({ do: "advertise" })).rejects.toMatchObject({ code: "ERR_TUN_BUSY" });
    expect(await h1.show()).toEqual(before);
  });
});

describe("open of the udp backend", () => {
  it.each([
    ["", false],
    [", also where /proc/sys is read-only", true],
  ])(
    "makes the device, its address and its routes, and no IPv6 on it%s",
    async (_where, hasReadOnlySysctls) => {
      await using network = await BackendNetwork.create(1);
      const h1 = network.host(1);
      await h1.namespace.sysctl(["net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0"]);
      expect(await h1.show()).toEqual(BARE);

      const backend = await h1.openBackend({ hasReadOnlySysctls });

      expect(await h1.show()).toEqual([
        expect.stringMatching(/^\d+: flannel0: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1472 /),
        expect.stringMatching(/^\d+: flannel0 inet 10\.244\.1\.0\/32 scope global flannel0/),
        ...ROUTED,
      ]);
      expect(await nonZero(backend)).toEqual({});
    },
  );

  it("lets in packets with an address of the host, as its ICMP errors have, under strict alone", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const acceptLocal = (): Promise<string> =>
      h1.namespace.execChecked(["cat", "/proc/sys/net/ipv4/conf/flannel0/accept_local"]);
    await (await h1.openBackend({ sourceCheck: "strict" })).kill();
    expect(await acceptLocal()).toBe("1\n");

    await h1.openBackend({ sourceCheck: "count" });

    expect(await acceptLocal()).toBe("0\n");
  });

  it("leaves nothing behind when the socket cannot be bound", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await h1.startBackend({ interfaceIp: "192.0.2.99" });
    const descriptors = await backend.ask({ do: "countDescriptors" });

    await expect(backend.ask({ do: "open", subnet: h1.subnet })).rejects.toMatchObject({
      code: "ERR_SOCKET_FAILED",
      message: "Cannot open UDP socket 192.0.2.99:8285: this host does not have the address",
    });

    expect(await h1.show()).toEqual(BARE);
    expect(await backend.ask({ do: "countDescriptors" })).toBe(descriptors);
  });

  it("keeps what an earlier run left when it fails, so that nothing leaks", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await (await h1.openBackend()).kill();
    const left = await h1.show();

    const backend = await h1.startBackend({ interfaceIp: "192.0.2.99" });
    await expect(backend.ask({ do: "open", subnet: h1.subnet })).rejects.toMatchObject({
      code: "ERR_SOCKET_FAILED",
    });

    expect(await h1.show()).toEqual(left);
    expect(await pingElsewhere(h1)).toBe(0);
    expect(await network.leaks()).toBe(0);
  });

  it("refuses a device that another process is attached to, and does it no harm", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const first = await h1.openBackend();
    await introduce(h1, first, h2, await h2.openBackend());
    const before = await h1.show();

    const second = await h1.startBackend();
    await expect(second.ask({ do: "open", subnet: "10.244.9.0/24" })).rejects.toMatchObject({
      code: "ERR_TUN_BUSY",
      message:
        "Cannot open TUN flannel0: another process is attached to it, stop the flanneld or twill agent that runs here",
    });

    expect(await h1.show()).toEqual(before);
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
  });

  it("refuses a network that somebody else has routed, and leaves his route", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip("route add 10.244.0.0/16 via 192.0.2.254 dev eth0 proto static");
    const before = await h1.show();

    const backend = await h1.startBackend();
    await expect(backend.ask({ do: "open", subnet: h1.subnet })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message:
        "Cannot route overlay network 10.244.0.0/16 to flannel0: this host has a route to it by eth0, of protocol 4",
    });

    expect(await h1.show()).toEqual(before);
  });

  it("adopts the device of a killed run, with its index, and forwards again", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const onH2 = await h2.openBackend();
    await (await h1.openBackend()).kill();
    const index = await h1.interfaceIndex("flannel0");

    await introduce(h1, await h1.openBackend(), h2, onH2);

    expect(await h1.interfaceIndex("flannel0")).toBe(index);
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
  });

  it("replaces the address of an earlier subnet", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await h1.openBackend();
    await h1.ip("address add 198.51.100.1/32 dev flannel0");

    await backend.ask({ do: "close" });
    await backend.ask({ do: "open", subnet: "10.244.7.0/24" });

    const addresses = (await h1.show()).filter((line) => line.includes(" inet "));
    expect(addresses).toEqual([
      expect.stringContaining(" inet 198.51.100.1/32 "),
      expect.stringContaining(" inet 10.244.7.0/32 "),
    ]);
    expect(await h1.show()).toEqual(expect.arrayContaining(ROUTED));
  });

  it("removes its routes to the network of an earlier configuration, and nobody else's", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const earlier = await h1.startBackend({ network: "10.99.0.0/16" });
    await earlier.ask({ do: "open", subnet: "10.99.4.0/24" });
    await earlier.kill();
    const foreign = "blackhole 10.98.0.0/16 proto static";
    await h1.ip(`route add ${foreign}`);

    await h1.openBackend();

    const shown = await h1.show();
    expect(shown.slice(2)).toEqual([DEFAULT_ROUTE, foreign, ...ROUTED.slice(1)]);
    expect(shown[1]).toContain(" inet 10.244.1.0/32 ");
  });
});

describe("forwarding of the udp backend", () => {
  it("carries every packet of a ping between pods, and counts it once on each side", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const [onH1, onH2] = [await h1.openBackend(), await h2.openBackend()];
    await introduce(h1, onH1, h2, onH2);

    await ping(h1.pod, ELSEWHERE, { count: 20, isAnswered: false });

    const each = { encapSent: 20, encapBytes: 20 * 84, decapDelivered: 20, decapBytes: 20 * 84 };
    for (const backend of [onH1, onH2]) {
      await eventually(async () => expect(await nonZero(backend)).toEqual(each));
    }
    expect(await network.leaks()).toBe(0);
  });

  it("carries a packet of exactly the overlay MTU, and names the MTU for one byte more", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const onH1 = await h1.openBackend();
    await introduce(h1, onH1, h2, await h2.openBackend());

    expect((await ping(h1.pod, ELSEWHERE, { bytes: 1472 })).received).toBeGreaterThanOrEqual(3);
    const before = await nonZero(onH1);
    const tooLong = await ping(h1.pod, ELSEWHERE, { ...NO_ANSWER, bytes: 1473 });

    expect(tooLong.received).toBe(0);
    expect(tooLong.output).toMatch(/From 10\.244\.1\.1 icmp_seq=1 Frag needed and DF set \(mtu = 1472\)/);
    expect(await nonZero(onH1)).toEqual(before);
  });
});

describe("a device or an underlay that takes nothing", () => {
  it("costs the packets that arrive while the device is down, each counted, and nothing after", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const [onH1, onH2] = [await h1.openBackend(), await h2.openBackend()];
    await introduce(h1, onH1, h2, onH2);
    await h2.ip("link set flannel0 down");

    await ping(h1.pod, ELSEWHERE, NO_ANSWER);

    await eventually(async () => expect(await nonZero(onH2)).toEqual({ decapDropDeviceDown: 3 }));
    expect(await onH2.ask({ do: "audit" })).toBeGreaterThanOrEqual(1);
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
  });

  // The native engine has nothing in a queue of its own that a close could cost.
  it.each([
    ["dgram", ["encapSent", "encapDropSendBusy", "encapDropSendFailed"]],
    ["native", ["encapSent", "encapDropSendBusy"]],
  ] as const)(
    "costs what %s cannot hold, each packet counted once, and holds up no close",
    async (engine, ways) => {
      await using network = await BackendNetwork.create(2);
      const [h1, h2] = [network.host(1), network.host(2)];
      const backend = await h1.openBackend({ datapath: { engine } });
      await backend.ask({ do: "sync", peers: [{ subnet: h2.subnet, underlayIp: h2.underlayIp }] });
      const stuck = "tc qdisc add dev eth0 root tbf rate 8bit burst 1600 limit 1g";
      await h1.namespace.execChecked(stuck.split(" "));

      const flooding = [process.execPath, FLOOD, "10.244.1.0", ELSEWHERE, "9"];
      const flood = h1.namespace.start(flooding, { stdio: "inherit" });
      await eventually(async () =>
        expect((await backend.counters()).encapDropSendBusy).toBeGreaterThan(1_000),
      );
      const startMs = performance.now();
      await backend.ask({ do: "close" });
      expect(performance.now() - startMs).toBeLessThan(MAX_CLOSE_MS);
      flood.kill();
      await once(flood, "exit");

      const { encapBytes, ...outcomes } = await nonZero(backend);
      expect(Object.keys(outcomes)).toEqual(ways);
      expect(encapBytes).toBe((outcomes.encapSent ?? 0) * 92);
      const read = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
      expect(await h1.packetsRead("flannel0")).toBe(read);
    },
  );
});

describe("the way out of the overlay", () => {
  it("leads to the underlay before the first start: what the other tests count is countable", async () => {
    await using network = await BackendNetwork.create(1);

    expect(await pingElsewhere(network.host(1))).toBe(0);

    await eventually(async () => expect(await network.leaks()).toBe(6));
  });

  it.each<[string, (backend: BackendProcess) => Promise<unknown>]>([
    ["is killed", (backend) => backend.kill()],
    ["is closed", (backend) => backend.ask({ do: "close" })],
  ])("stays shut when the backend %s", async (_how, end) => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await end(await h1.openBackend());

    expect(await h1.show()).toEqual([
      expect.stringMatching(/flannel0: <POINTOPOINT,MULTICAST,NOARP,UP> /), // LOWER_UP would be its carrier
      expect.stringContaining(" inet 10.244.1.0/32 "),
      ...ROUTED,
    ]);
    expect(await pingElsewhere(h1)).toBe(0);
    expect(await network.leaks()).toBe(0);
  });

  it.each([
    [
      "the kernel passes over routes without carrier",
      "sysctl -q -w net.ipv4.conf.all.ignore_routes_with_linkdown=1",
    ],
    ["the device is set down", "ip link set flannel0 down"],
    ["the device is deleted", "ip link del flannel0"],
    ["the route is deleted", "ip route del 10.244.0.0/16 dev flannel0"],
  ])("stays shut after a kill when %s", async (_what, command) => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await (await h1.openBackend()).kill();

    await h1.namespace.execChecked(command.split(" "));

    expect(await pingElsewhere(h1)).toBe(0);
    expect(await network.leaks()).toBe(0);
  });
});

describe("audit of the udp backend", () => {
  it.each([
    "route del 10.244.0.0/16 dev flannel0",
    "route del blackhole 10.244.0.0/16",
    "route replace 10.244.0.0/16 via 192.0.2.254 dev eth0",
    "address del 10.244.1.0/32 dev flannel0",
    "address add 10.244.66.0/32 dev flannel0",
    "link set flannel0 mtu 1300",
    "link set flannel0 down",
  ])("puts everything back after `ip %s`", async (damage) => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const [onH1, onH2] = [await h1.openBackend(), await h2.openBackend()];
    await introduce(h1, onH1, h2, onH2);
    const before = await h1.show();

    await h1.ip(damage);
    expect(await h1.show()).not.toEqual(before);
    expect(await onH1.ask({ do: "audit" })).toBeGreaterThanOrEqual(1);

    expect(await h1.show()).toEqual(before);
    expect(await onH1.ask({ do: "audit" })).toBe(0);
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
    expect(await onH1.warnings()).toMatchObject([{ level: 40, device: "flannel0" }]);
  });

  it.each([
    ["a deleted device again", ["link del flannel0"]],
    [
      "a device again that another has the name of",
      ["link del flannel0", "tuntap add dev flannel0 mode tun"],
    ],
  ])("makes %s and goes on counting", async (_what, damage) => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const [onH1, onH2] = [await h1.openBackend(), await h2.openBackend()];
    await introduce(h1, onH1, h2, onH2);
    const before = await h1.show();
    const descriptors = await onH1.ask({ do: "countDescriptors" });
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);

    await h1.ip(...damage);
    expect(await onH1.ask({ do: "audit" })).toBe(1);

    expect((await h1.show()).slice(1)).toEqual([
      expect.stringContaining(" inet 10.244.1.0/32 "),
      ...before.slice(2),
    ]);
    expect((await ping(h1.pod, ELSEWHERE)).received).toBeGreaterThanOrEqual(3);
    const { encapSent, tunReadErrors } = await onH1.counters();
    expect(encapSent).toBeGreaterThanOrEqual(6);
    expect(tunReadErrors).toBe(1);
    expect(await onH1.ask({ do: "countDescriptors" })).toBe(descriptors);
  });

  it("changes nothing and says nothing when all is as it should be", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const [onH1, onH2] = [await h1.openBackend(), await h2.openBackend()];
    const before = await h1.show();

    await introduce(h1, onH1, h2, onH2);
    expect(await onH1.ask({ do: "audit" })).toBe(0);
    await introduce(h1, onH1, h2, onH2);
    expect(await onH1.ask({ do: "audit" })).toBe(0);

    expect(await h1.show()).toEqual(before);
    expect(await onH1.warnings()).toEqual([]);
  });
});

describe("sync of the udp backend", () => {
  it("stops sending to a peer that is no longer in the set", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const [onH1, onH2] = [await h1.openBackend(), await h2.openBackend()];
    await introduce(h1, onH1, h2, onH2);
    await onH1.ask({ do: "sync", peers: [] });

    expect((await ping(h1.pod, ELSEWHERE, NO_ANSWER)).output).toContain(", 0 received");

    expect(await nonZero(onH1)).toMatchObject({ encapDropNoPeer: 3 });
    expect(await network.leaks()).toBe(0);
  });
});

describe("close of the udp backend", () => {
  it("gives back every descriptor, twice is no error, and it opens again", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await h1.startBackend();
    const descriptors = await backend.ask({ do: "countDescriptors" });
    await backend.ask({ do: "open", subnet: h1.subnet });

    await backend.ask({ do: "close" });
    expect(await backend.ask({ do: "countDescriptors" })).toBe(descriptors);
    await backend.ask({ do: "close" });

    await backend.ask({ do: "open", subnet: h1.subnet });
    expect(await h1.show()).toEqual(expect.arrayContaining(ROUTED));
  });
});
