import { describe, expect, it } from "vitest";
import {
  BLACKHOLE_METRIC,
  OWN_ROUTE_PROTOCOL,
  gatewayRoute,
  onlinkRoute,
  parseDefaultRoutes,
  parseRoutes,
  placeOf,
  planRoutes,
  readOwnRoutes,
  routeCommand,
  routeTo,
} from "../../../src/kernel/routes.ts";
import type { Route } from "../../../src/kernel/routes.ts";
import type { Ipv4Address } from "../../../src/net/ipv4.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

/** From `ip -j -N -4 route show` of iproute2 6.1. */
const ROUTES = JSON.parse(`[
  {"dst":"default","gateway":"192.0.2.2","dev":"v0","flags":[]},
  {"dst":"10.244.0.0/16","dev":"flannel0","protocol":"84","scope":"253","flags":["linkdown"]},
  {"type":"6","dst":"10.244.0.0/16","protocol":"84","metric":4278198272,"flags":[]},
  {"dst":"198.51.100.2","dev":"v0","protocol":"2","scope":"253","prefsrc":"198.51.100.1","flags":["linkdown"]},
  {"type":"8","dst":"203.0.113.64/26","flags":[]}
]`) as unknown;

/** From `ip -j -N -4 route show default`, with a second route made later but better. */
const DEFAULT_ROUTES = JSON.parse(`[
  {"dst":"default","metric":50,"flags":[],"nexthops":[{"gateway":"192.0.2.2","dev":"v0","weight":1,"flags":[]},
    {"gateway":"192.0.2.3","dev":"v0","weight":1,"flags":[]}]},
  {"dst":"default","dev":"v1","protocol":"16","scope":"253","metric":20,"flags":[]},
  {"type":"7","dst":"default","metric":10,"flags":[]},
  {"dst":"default","gateway":"192.0.2.2","dev":"v0","flags":[]}
]`) as unknown;

const OVERLAY: Route = {
  destination: prefixOf("10.244.0.0/16"),
  kind: "unicast",
  interfaceName: "flannel0",
  gateway: null,
  isOnlink: false,
  metric: 0,
  protocol: OWN_ROUTE_PROTOCOL,
};
const BLACKHOLE: Route = { ...OVERLAY, kind: "blackhole", interfaceName: null, metric: BLACKHOLE_METRIC };

describe("parseRoutes", () => {
  it("reads what ip prints", () => {
    expect(parseRoutes(ROUTES)).toEqual([
      {
        ...OVERLAY,
        destination: prefixOf("0.0.0.0/0"),
        interfaceName: "v0",
        gateway: addressOf("192.0.2.2"),
        isOnlink: false,
        protocol: 3,
      },
      OVERLAY,
      BLACKHOLE,
      {
        ...OVERLAY,
        destination: prefixOf("198.51.100.2/32"),
        interfaceName: "v0",
        protocol: 2,
        hasExtras: true,
      },
      {
        ...OVERLAY,
        kind: "other",
        destination: prefixOf("203.0.113.64/26"),
        interfaceName: null,
        protocol: 3,
      },
    ]);
  });
});

/** From `ip -j -N -4 route show root 10.244.0.0/16`: what nobody of us makes. */
const STRANGE_ROUTES = JSON.parse(`[
  {"dst":"10.244.2.0/24","gateway":"10.244.2.0","dev":"flannel.1","protocol":"84","flags":["onlink","linkdown"]},
  {"dst":"10.244.5.0/24","flags":["linkdown"],"nexthops":[{"gateway":"192.0.2.3","dev":"u0","weight":1,"flags":[]},
    {"gateway":"192.0.2.4","dev":"u0","weight":1,"flags":[]}]},
  {"dst":"10.244.6.0/24","tos":"0x10","gateway":"192.0.2.3","dev":"u0","flags":[],"metrics":[{"mtu":1400}]},
  {"dst":"10.244.23.0/24","nhid":5,"gateway":"192.0.2.3","dev":"u0","flags":[]}
]`) as unknown;

describe("parseRoutes of strange routes", () => {
  it("marks what is for one type of service, and what says more than we know", () => {
    const route = { ...OVERLAY, protocol: 3, interfaceName: "u0", gateway: addressOf("192.0.2.3") };
    const extras = { hasExtras: true };
    expect(parseRoutes(STRANGE_ROUTES)).toEqual([
      onlinkRoute(prefixOf("10.244.2.0/24"), "flannel.1"),
      { ...route, destination: prefixOf("10.244.5.0/24"), interfaceName: null, gateway: null, ...extras },
      { ...route, destination: prefixOf("10.244.6.0/24"), tos: "0x10", ...extras },
      { ...route, destination: prefixOf("10.244.23.0/24"), ...extras },
    ]);
  });
});

describe("placeOf", () => {
  it("is the same for two routes that the kernel cannot hold both by add", () => {
    const other: Route = { ...OVERLAY, interfaceName: "v0", protocol: 3, isOnlink: true, hasExtras: true };
    expect(placeOf(other)).toBe(placeOf(OVERLAY));
    expect(placeOf({ ...OVERLAY, metric: 1 })).not.toBe(placeOf(OVERLAY));
    expect(placeOf({ ...OVERLAY, tos: "0x10" })).not.toBe(placeOf(OVERLAY));
    expect(placeOf({ ...OVERLAY, destination: prefixOf("10.244.0.0/17") })).not.toBe(placeOf(OVERLAY));
  });
});

describe("routeCommand", () => {
  const write = (verb: "add" | "replace" | "del", route: Route): string =>
    routeCommand(verb, route).join(" ");

  it("spells a peer's routes as flannel does, with our number", () => {
    const subnet = prefixOf("10.244.2.0/24");
    expect(write("add", onlinkRoute(subnet, "flannel.1"))).toBe(
      "route add unicast 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink scope global proto 84 metric 0",
    );
    expect(write("replace", gatewayRoute(subnet, addressOf("192.0.2.2"), "eth0"))).toBe(
      "route replace unicast 10.244.2.0/24 via 192.0.2.2 dev eth0 scope global proto 84 metric 0",
    );
  });

  it("names exactly what it removes", () => {
    const strange: Route = { ...OVERLAY, kind: "other", interfaceName: null, tos: "0x10", protocol: 3 };
    expect(write("del", strange)).toBe("route del 10.244.0.0/16 tos 0x10 proto 3 metric 0");
  });
});

describe("readOwnRoutes", () => {
  it("knows whose routes it asked for, though ip does not print it then", async () => {
    const asked: (readonly string[])[] = [];
    const ip = {
      read: (args: readonly string[]): Promise<unknown> => {
        asked.push(args);
        return Promise.resolve(JSON.parse('[{"dst":"10.244.0.0/16","dev":"flannel0","flags":[]}]'));
      },
      readBatch: () => Promise.resolve([]),
      apply: () => Promise.resolve(),
    };
    expect(await readOwnRoutes(ip, new AbortController().signal)).toEqual([OVERLAY]);
    expect(asked).toEqual([["-N", "-4", "route", "show", "proto", "84"]]);
  });
});

describe("parseDefaultRoutes", () => {
  it("puts the lowest metric first, marks several next hops and leaves out unreachable", () => {
    expect(parseDefaultRoutes(DEFAULT_ROUTES)).toEqual([
      { interfaceName: "v0", gateway: addressOf("192.0.2.2"), metric: 0, isMultipath: false },
      { interfaceName: "v1", gateway: null, metric: 20, isMultipath: false },
      { interfaceName: null, gateway: null, metric: 50, isMultipath: true },
    ]);
  });
});

describe("routeTo", () => {
  const answer = (json: string): Promise<{ interfaceName: string; source: Ipv4Address }> =>
    routeTo(
      {
        read: () => Promise.resolve(JSON.parse(json)),
        readBatch: () => Promise.resolve([]),
        apply: () => Promise.resolve(),
      },
      addressOf("203.0.113.5"),
      new AbortController().signal,
    );

  it("reads the device and the source of the kernel's answer", async () => {
    const json =
      '[{"dst":"203.0.113.5","gateway":"192.0.2.2","dev":"v0","prefsrc":"192.0.2.1","flags":[],"cache":[]}]';
    expect(await answer(json)).toEqual({ interfaceName: "v0", source: addressOf("192.0.2.1") });
  });

  it("fails when the answer names no source", async () => {
    await expect(answer('[{"dst":"203.0.113.5","dev":"v0"}]')).rejects.toMatchObject({
      code: "ERR_KERNEL_FAILED",
    });
    await expect(answer("[]")).rejects.toMatchObject({ code: "ERR_KERNEL_FAILED" });
  });
});

describe("planRoutes", () => {
  const all = (): boolean => true;
  const make = "route replace unicast 10.244.0.0/16 dev flannel0 scope global proto 84 metric 0";
  const plan = (wanted: Route[], present: Route[], mayRemove: (route: Route) => boolean = all): string[] =>
    planRoutes(wanted, present, mayRemove).map((words) => words.join(" "));

  it("makes what is missing", () => {
    expect(plan([BLACKHOLE, OVERLAY], [])).toEqual([
      "route replace blackhole 10.244.0.0/16 proto 84 metric 4278198272",
      make,
    ]);
  });

  it("has nothing to do when all is there", () => {
    expect(plan([BLACKHOLE, OVERLAY], [OVERLAY, BLACKHOLE])).toEqual([]);
  });

  it.each<[string, Partial<Route>]>([
    ["another device", { interfaceName: "v0" }],
    ["a gateway", { gateway: addressOf("192.0.2.2") }],
    ["a gateway that is taken to be on the link", { isOnlink: true }],
    ["another protocol", { protocol: 3 }],
    ["an MTU of its own", { hasExtras: true }],
    ["another kind", { kind: "blackhole", interfaceName: null }],
  ])("replaces in place a route with %s, and does not remove it first", (_what, difference) => {
    expect(plan([OVERLAY], [{ ...OVERLAY, ...difference }])).toEqual([make]);
  });

  it("takes a route for one type of service for another one", () => {
    expect(plan([OVERLAY], [{ ...OVERLAY, tos: "0x10" }], () => false)).toEqual([make]);
  });

  it("removes what is not wanted, after the rest is made, and only where it may", () => {
    const old = { ...OVERLAY, destination: prefixOf("10.245.0.0/16") };
    const oldBlackhole = { ...BLACKHOLE, destination: prefixOf("10.245.0.0/16") };
    expect(plan([OVERLAY], [old, oldBlackhole])).toEqual([
      make,
      "route del unicast 10.245.0.0/16 dev flannel0 proto 84 metric 0",
      "route del blackhole 10.245.0.0/16 proto 84 metric 4278198272",
    ]);
    expect(plan([OVERLAY], [old, oldBlackhole], (route) => route.kind === "blackhole")).toEqual([
      make,
      "route del blackhole 10.245.0.0/16 proto 84 metric 4278198272",
    ]);
  });

  it("names the gateway, as plain routes to other hosts have one", () => {
    const viaHost = { ...OVERLAY, interfaceName: "v0", gateway: addressOf("192.0.2.2") };
    expect(plan([viaHost], [])).toEqual([
      "route replace unicast 10.244.0.0/16 via 192.0.2.2 dev v0 scope global proto 84 metric 0",
    ]);
  });
});
