import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { BackendNetwork, ping } from "../support/backend-hosts.ts";
import type { BackendHost, BackendProcess } from "../support/backend-hosts.ts";

const HOST_GW = { type: "host-gw" };
const DEFAULT_ROUTE = "default via 192.0.2.254 dev eth0";
const BLACKHOLE = "blackhole 10.244.0.0/16 proto 84 metric 4278198272";
const POD_ROUTE = "10.244.1.0/24 dev pod1 proto kernel scope link src 10.244.1.1";
const UNDERLAY_ROUTE = "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1";
const ROUTE_TO_H2 = "10.244.2.0/24 via 192.0.2.2 dev eth0 proto 84";
/** Routes of h1 before a backend touches it, and those of an open backend without peers. */
const BARE = [DEFAULT_ROUTE, POD_ROUTE, UNDERLAY_ROUTE];
const OPEN = [DEFAULT_ROUTE, BLACKHOLE, POD_ROUTE, UNDERLAY_ROUTE];
const WITH_H2 = [DEFAULT_ROUTE, BLACKHOLE, POD_ROUTE, ROUTE_TO_H2, UNDERLAY_ROUTE];

const PEER_H2 = { subnet: "10.244.2.0/24", underlayIp: "192.0.2.2", backend: HOST_GW };
/** Behind the router. */
const FAR_PEER = { subnet: "10.244.9.0/24", underlayIp: "198.51.100.9", backend: HOST_GW };

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Log lines of a backend with these words in their message, as `LEVEL SUBNET`. */
async function linesAbout(backend: BackendProcess, words: string): Promise<string[]> {
  const lines = (await backend.ask({ do: "readLog" })) as LogLine[];
  const levels: Record<number, string> = { 20: "debug", 30: "info", 40: "warn", 50: "error" };
  return lines
    .filter(({ msg }) => msg.includes(words))
    .map(({ level, subnet }) => `${levels[level] ?? "?"} ${String(subnet)}`);
}

/** Starts on h1 as an agent does: open, all peers, the first audit. */
async function start(host: BackendHost, peers: readonly object[]): Promise<BackendProcess> {
  const backend = await host.openBackend(HOST_GW);
  await backend.ask({ do: "sync", peers: peers as never });
  await backend.ask({ do: "audit" });
  return backend;
}

/** Routes that change while `work` runs, one line of `ip monitor` each. */
async function routeChanges(host: BackendHost, work: () => Promise<void>): Promise<string[]> {
  const monitor = host.namespace.start(["ip", "monitor", "route"], { stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  monitor.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const closed = once(monitor, "close");
  /** Made and removed to know that the monitor listens, and has told of all that came before. */
  const mark = async (prefix: string): Promise<void> => {
    await eventually(async () => {
      await host.ip(`route replace ${prefix} dev lo metric 1`, `route del ${prefix} dev lo metric 1`);
      return output.includes(prefix);
    });
  };
  await mark("203.0.113.1");
  await work();
  await mark("203.0.113.2");
  monitor.kill("SIGKILL");
  await closed;
  return output.split("\n").filter((line) => line.trim() !== "" && !line.includes("203.0.113."));
}

describe("a host-gw backend", () => {
  it("names its type in the lease, and leaves the host as it was", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await h1.startBackend(HOST_GW);

    expect(await backend.ask({ do: "advertise" })).toEqual({ type: "host-gw" });
    expect(await h1.show()).toEqual(BARE);
  });

  it("makes one route when it opens, and no packet for the overlay leaves", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await h1.openBackend(HOST_GW);

    expect(await h1.show()).toEqual(OPEN);
    const options = { isAnswered: false };
    expect((await ping(h1.pod, "10.244.2.2", options)).received).toBe(0);
    expect((await ping(h1.namespace, "10.244.2.2", options)).received).toBe(0);
    expect(await network.leaks()).toBe(0);
    expect(await backend.warnings()).toEqual([]);
  });

  it("carries packets of the whole underlay MTU between pods, both ways", async () => {
    await using network = await BackendNetwork.create(2);
    const [h1, h2] = [network.host(1), network.host(2)];
    const onH1 = await start(h1, [PEER_H2]);
    await start(h2, [{ ...PEER_H2, subnet: h1.subnet, underlayIp: h1.underlayIp }]);

    expect(await h1.show()).toEqual(WITH_H2);
    expect(await onH1.ask({ do: "readDirectSubnets" })).toEqual(["10.244.2.0/24"]);
    expect((await ping(h1.pod, "10.244.2.2", { bytes: 1500 })).received).toBeGreaterThanOrEqual(3);
    expect((await ping(h2.pod, "10.244.1.2", { bytes: 1500 })).received).toBeGreaterThanOrEqual(3);
  });

  it("has one route for a peer whose address changes, and none for a peer that goes", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await start(h1, [PEER_H2]);

    await backend.ask({ do: "sync", peers: [{ ...PEER_H2, underlayIp: "192.0.2.22" }] });
    expect(await h1.show()).toEqual([
      ...OPEN.slice(0, 3),
      "10.244.2.0/24 via 192.0.2.22 dev eth0 proto 84",
      UNDERLAY_ROUTE,
    ]);
    await backend.ask({ do: "sync", peers: [] });
    expect(await h1.show()).toEqual(OPEN);
    expect(await backend.ask({ do: "audit" })).toBe(0);
  });

  it("writes nothing over the state of a killed run, or of its own before it was closed", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await (await start(h1, [PEER_H2])).kill();
    const reopened = await start(h1, [PEER_H2]);

    const changes = await routeChanges(h1, async () => {
      const backend = await h1.openBackend(HOST_GW);
      await backend.ask({ do: "sync", peers: [PEER_H2] });
      expect(await backend.ask({ do: "audit" })).toBe(0);
      await reopened.ask({ do: "close" });
      await reopened.ask({ do: "open", subnet: "10.244.7.0/24" });
      await reopened.ask({ do: "sync", peers: [PEER_H2] });
      expect(await reopened.ask({ do: "audit" })).toBe(0);
    });

    expect(changes).toEqual([]);
    expect(await h1.show()).toEqual(WITH_H2);
  });

  it("leaves all routes when it is closed", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await start(h1, [PEER_H2]);
    await backend.ask({ do: "close" });
    expect(await h1.show()).toEqual(WITH_H2);
  });

  it("takes over a route that flannel made", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip("route add 10.244.2.0/24 via 192.0.2.2 dev eth0");
    await start(h1, [PEER_H2]);
    expect(await h1.show()).toEqual(WITH_H2);
  });
});

describe("an audit of the host-gw backend", () => {
  it("makes deleted routes again, and counts them", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await start(h1, [PEER_H2]);
    await h1.ip("route flush proto 84");
    expect(await h1.show()).toEqual(BARE);

    expect(await backend.ask({ do: "audit" })).toBe(2);
    expect(await h1.show()).toEqual(WITH_H2);
    expect(await backend.ask({ do: "audit" })).toBe(0);
  });

  it("makes the peers' routes again after the link was down, and those of others never", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await start(h1, [PEER_H2]);
    await h1.ip("route add 203.0.113.0/24 via 192.0.2.254 dev eth0 proto static");

    await h1.ip("link set eth0 down");
    await backend.ask({ do: "audit" });
    expect(await h1.show()).toEqual([BLACKHOLE, POD_ROUTE]);
    expect(await backend.ask({ do: "readDirectSubnets" })).toEqual([]);
    await h1.ip("link set eth0 up");
    expect(await backend.ask({ do: "audit" })).toBeGreaterThan(0);

    expect(await h1.show()).toEqual([BLACKHOLE, POD_ROUTE, ROUTE_TO_H2, UNDERLAY_ROUTE]);
    expect(await linesAbout(backend, "same link")).toEqual(["warn 10.244.2.0/24", "info 10.244.2.0/24"]);
    expect(await backend.ask({ do: "audit" })).toBe(0);
  });

  it("makes the routes again when the link went down and up in between", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await start(h1, [PEER_H2]);
    await h1.ip("link set eth0 down", "link set eth0 up");
    expect(await h1.show()).toEqual([BLACKHOLE, POD_ROUTE, UNDERLAY_ROUTE]);

    expect(await backend.ask({ do: "audit" })).toBe(1);
    expect(await h1.show()).toEqual([BLACKHOLE, POD_ROUTE, ROUTE_TO_H2, UNDERLAY_ROUTE]);
  });

  it("removes what an earlier run left, after the first set of peers and not before", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const GONE_PEER = "10.244.3.0/24 via 192.0.2.3 dev eth0 proto 84";
    await (await start(h1, [PEER_H2])).kill();
    await h1.ip(
      "route add 10.244.3.0/24 via 192.0.2.3 dev eth0 proto 84",
      "route add blackhole 10.99.0.0/16 proto 84 metric 4278198272",
      "route add 10.99.3.0/24 via 192.0.2.3 dev eth0 proto 84",
      "route add blackhole 10.98.0.0/16 proto 84 metric 4278198272", // of neither network
      "route add 10.244.4.0/24 via 192.0.2.4 dev eth0 proto static",
      "route add prohibit 10.244.5.0/24 proto 84", // a kind we never make
    );
    const backend = await h1.openBackend({ ...HOST_GW, formerNetwork: "10.99.0.0/16" });
    const before = await h1.show();
    expect(before).toContain(GONE_PEER);
    expect(await backend.ask({ do: "audit" })).toBe(0);
    expect(await h1.show()).toEqual(before);

    await backend.ask({ do: "sync", peers: [PEER_H2] });
    await backend.ask({ do: "audit" });

    expect((await h1.show()).sort()).toEqual(
      [
        ...WITH_H2,
        "blackhole 10.98.0.0/16 proto 84 metric 4278198272",
        "10.244.4.0/24 via 192.0.2.4 dev eth0 proto static",
        "prohibit 10.244.5.0/24 proto 84",
      ].sort(),
    );
  });

  it("removes the device of a udp backend that ran before", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await (await h1.openBackend({ type: "udp" })).kill();
    expect(await h1.show()).toContain("10.244.0.0/16 dev flannel0 proto 84");

    await start(h1, [PEER_H2]);

    expect(await h1.show()).toEqual(WITH_H2);
  });
});

describe("a peer of the host-gw backend that is not on the link", () => {
  it("is left out with one warning, and comes in when it is", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const backend = await start(h1, [FAR_PEER, PEER_H2]);

    expect(await h1.show()).toEqual(WITH_H2);
    expect(await backend.ask({ do: "readDirectSubnets" })).toEqual(["10.244.2.0/24"]);
    await backend.ask({ do: "sync", peers: [PEER_H2, FAR_PEER] });
    expect(await backend.ask({ do: "audit" })).toBe(0);
    expect(await linesAbout(backend, "same link")).toEqual(["warn 10.244.9.0/24"]);

    await h1.ip("address add 198.51.100.1/24 dev eth0");
    expect(await backend.ask({ do: "audit" })).toBe(1);
    expect(await h1.show()).toContain("10.244.9.0/24 via 198.51.100.9 dev eth0 proto 84");
    expect(await backend.ask({ do: "readDirectSubnets" })).toEqual(["10.244.2.0/24", "10.244.9.0/24"]);

    await h1.ip("address del 198.51.100.1/24 dev eth0");
    await backend.ask({ do: "audit" });
    expect(await h1.show()).toEqual(WITH_H2);
    expect(await linesAbout(backend, "same link")).toEqual([
      "warn 10.244.9.0/24",
      "info 10.244.9.0/24",
      "warn 10.244.9.0/24",
    ]);
  });

  it("may be on the link of another interface than the underlay's", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip(
      "link add br-other type bridge",
      "link set br-other up",
      "address add 198.51.100.1/24 dev br-other",
    );
    const backend = await start(h1, [FAR_PEER]);
    expect((await h1.show()).filter((line) => line.startsWith("10.244.9."))).toEqual([]);
    expect(await linesAbout(backend, "same link")).toEqual(["warn 10.244.9.0/24"]);
  });

  it("is one of many: ten are told of each by itself, the others as a number", async () => {
    await using network = await BackendNetwork.create(1);
    const peers = Array.from({ length: 12 }, (_, i) => ({
      subnet: `10.244.${20 + i}.0/24`,
      underlayIp: `198.51.100.${20 + i}`,
      backend: HOST_GW,
    }));
    const backend = await start(network.host(1), peers);
    expect(await linesAbout(backend, "Peer is not on the same link")).toHaveLength(10);
    const lines = (await backend.ask({ do: "readLog" })) as LogLine[];
    expect(lines.filter(({ msg }) => msg === "More peers are not on the same link")).toMatchObject([
      { peers: 2 },
    ]);
  });
});

/** Routes of others in the place of a peer's: flannel deletes them (F12, W14). */
describe("a route of somebody else in the place of a peer's", () => {
  const CASES: [what: string, lines: string[], foreign: string][] = [
    [
      "a connected route of a bridge such as docker0",
      ["link add docker0 type bridge", "link set docker0 up", "address add 10.244.2.1/24 dev docker0"],
      "10.244.2.0/24 dev docker0 proto kernel scope link src 10.244.2.1",
    ],
    [
      "a route by another gateway",
      ["route add 10.244.2.0/24 via 192.0.2.254 dev eth0 proto static"],
      "10.244.2.0/24 via 192.0.2.254 dev eth0 proto static",
    ],
    [
      "an unreachable route of a routing daemon",
      ["route add unreachable 10.244.2.0/24 proto bird"],
      "unreachable 10.244.2.0/24 proto bird",
    ],
  ];
  it.each(CASES)("stays, byte for byte: %s", async (_what, lines, foreign) => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip(...lines);
    const full = async (): Promise<string[]> =>
      (await h1.namespace.execChecked(["ip", "-d", "-4", "route", "show"])).split("\n");
    const before = await full();

    const changes = await routeChanges(h1, async () => {
      const backend = await start(h1, [PEER_H2]);
      await backend.ask({ do: "audit" });
      expect(await backend.warnings()).not.toEqual([]);
      await backend.ask({ do: "sync", peers: [] });
      await backend.ask({ do: "audit" });
    });

    expect((await h1.show()).filter((line) => line.includes("10.244.2.0/24"))).toEqual([foreign]);
    expect((await full()).filter((line) => !line.includes("proto 84"))).toEqual(before);
    expect(changes.filter((line) => !line.includes("blackhole 10.244.0.0/16"))).toEqual([]);
  });

  it("gives its place to ours when it goes", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip("route add 10.244.2.0/24 via 192.0.2.254 dev eth0 proto static");
    const backend = await start(h1, [PEER_H2]);
    await h1.ip("route del 10.244.2.0/24 via 192.0.2.254 dev eth0 proto static");
    expect(await backend.ask({ do: "audit" })).toBe(1);
    expect(await h1.show()).toEqual(WITH_H2);
  });
});
