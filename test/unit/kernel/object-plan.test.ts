import { describe, expect, it } from "vitest";
import type { FdbEntry } from "../../../src/kernel/fdb.ts";
import type { KernelObjects } from "../../../src/kernel/kernel-objects.ts";
import type { Neighbour } from "../../../src/kernel/neighbours.ts";
import { planObjects } from "../../../src/kernel/object-plan.ts";
import type { ObjectPlan, PresentObjects } from "../../../src/kernel/object-plan.ts";
import { blackholeRoute, gatewayRoute, onlinkRoute, parseRoutes } from "../../../src/kernel/routes.ts";
import type { Route } from "../../../src/kernel/routes.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";
import { macOf } from "../../support/mac.ts";

const DEVICE = "flannel.1";
const NETWORK = prefixOf("10.244.0.0/16");
const SUBNET = prefixOf("10.244.2.0/24");
const NONE: KernelObjects = { routes: [], neighbours: [], fdb: [] };
const EMPTY: PresentObjects = { routes: [], neighbours: [], fdb: [] };
const TWO: { neighbour: Neighbour; fdb: FdbEntry } = {
  neighbour: { address: addressOf("10.244.2.0"), mac: macOf("02:00:00:00:00:02") },
  fdb: { mac: macOf("02:00:00:00:00:02"), underlayIp: addressOf("192.0.2.2") },
};
/** A peer by the device, and one by its underlay address. */
const WANTED: KernelObjects = {
  routes: [
    blackholeRoute(NETWORK),
    gatewayRoute(prefixOf("10.244.3.0/24"), addressOf("192.0.2.3"), "u0"),
    onlinkRoute(SUBNET, DEVICE),
  ],
  neighbours: [TWO.neighbour],
  fdb: [TWO.fdb],
};
const PRESENT: PresentObjects = {
  routes: WANTED.routes,
  neighbours: [{ ...TWO.neighbour, isPermanent: true }],
  fdb: [{ ...TWO.fdb, isPermanent: true, hasExtras: false }],
};
const ON_DEVICE = "via 10.244.2.0 dev flannel.1 onlink";

/** What `ip -j -N -4 route show root 10.244.0.0/16` prints. */
const routesOf = (...lines: string[]): Route[] => parseRoutes(JSON.parse(`[${lines.join(",")}]`));

function plan(
  wanted: KernelObjects,
  present: PresentObjects,
  deviceName: string | null = DEVICE,
  mayRemove: (route: Route) => boolean = () => true,
): ObjectPlan {
  return planObjects(wanted, present, { network: NETWORK, deviceName, mayRemove });
}

/** Every command, one string each, in the order in which they run. */
function lines({ commands: { before, bridge, after } }: ObjectPlan): string[] {
  return [...before, ...bridge, ...after].map((words) => words.join(" "));
}

describe("planObjects", () => {
  it("has nothing to do when all is there", () => {
    expect(plan(WANTED, PRESENT)).toEqual({
      commands: { before: [], bridge: [], after: [] },
      conflicts: [],
    });
  });

  it("makes what is missing: what a route needs comes before it", () => {
    const { commands } = plan(WANTED, EMPTY);
    expect(commands.before.map((words) => words.join(" "))).toEqual([
      "route add blackhole 10.244.0.0/16 proto 84 metric 4278198272",
      "route add unicast 10.244.3.0/24 via 192.0.2.3 dev u0 scope global proto 84 metric 0",
    ]);
    expect(commands.bridge.map((words) => words.join(" "))).toEqual([
      "fdb replace 02:00:00:00:00:02 dev flannel.1 self permanent dst 192.0.2.2",
    ]);
    expect(commands.after.map((words) => words.join(" "))).toEqual([
      "neigh replace 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent",
      `route add unicast 10.244.2.0/24 ${ON_DEVICE} scope global proto 84 metric 0`,
    ]);
  });

  it("removes what is not wanted: a route goes before what it needs", () => {
    expect(lines(plan(NONE, PRESENT))).toEqual([
      "route del blackhole 10.244.0.0/16 proto 84 metric 4278198272",
      "route del unicast 10.244.3.0/24 via 192.0.2.3 dev u0 proto 84 metric 0",
      `route del unicast 10.244.2.0/24 ${ON_DEVICE} proto 84 metric 0`,
      "fdb del 02:00:00:00:00:02 dev flannel.1 self",
      "neigh del 10.244.2.0 dev flannel.1",
    ]);
  });

  it("asks whether a route of ours may go, but for those into the device", () => {
    expect(lines(plan(NONE, { ...PRESENT, fdb: [], neighbours: [] }, DEVICE, () => false))).toEqual([
      `route del unicast 10.244.2.0/24 ${ON_DEVICE} proto 84 metric 0`,
    ]);
  });

  it("looks at no neighbour and no FDB entry without a device, and at routes into any device as at others", () => {
    expect(lines(plan(NONE, PRESENT, null, () => false))).toEqual([]);
    expect(lines(plan(NONE, { ...PRESENT, routes: [] }, null))).toEqual([]);
  });
});

describe("planObjects of a place that another route has", () => {
  const wanted: KernelObjects = { ...NONE, routes: [onlinkRoute(SUBNET, DEVICE)] };
  const atPlace = (...routes: string[]): ObjectPlan =>
    plan(wanted, { ...EMPTY, routes: routesOf(...routes) });
  const member = `"dst":"10.244.2.0/24"`;
  const onDevice = `${member},"gateway":"10.244.2.0","dev":"flannel.1","flags":["onlink"]`;
  const viaU0 = `${member},"gateway":"192.0.2.2","dev":"u0","flags":[]`;
  const replacement = `route replace unicast 10.244.2.0/24 ${ON_DEVICE} scope global proto 84 metric 0`;

  it.each([
    ["the very same, of flannel", `{${onDevice}}`],
    ["ours by another device", `{${viaU0},"protocol":"84"}`],
    ["ours with an MTU", `{${onDevice},"protocol":"84","metrics":[{"mtu":1400}]}`],
    ["anybody's into our device", `{${member},"dev":"flannel.1","scope":"253","protocol":"16","flags":[]}`],
  ])("replaces %s", (_what, route) => {
    expect(lines(atPlace(route))).toEqual([replacement]);
    expect(atPlace(route).conflicts).toEqual([]);
  });

  it("replaces the very same of flannel by the underlay", () => {
    const direct = gatewayRoute(SUBNET, addressOf("192.0.2.2"), "u0");
    const at = (route: string): ObjectPlan =>
      plan({ ...NONE, routes: [direct] }, { ...EMPTY, routes: routesOf(route) });
    expect(lines(at(`{${viaU0}}`))).toEqual([
      "route replace unicast 10.244.2.0/24 via 192.0.2.2 dev u0 scope global proto 84 metric 0",
    ]);
    expect(lines(at(`{${viaU0},"prefsrc":"192.0.2.1"}`))).toEqual([]);
  });

  it.each([
    ["by another device", `{${viaU0}}`],
    [
      "of the kernel",
      `{${member},"dev":"br0","protocol":"2","scope":"253","prefsrc":"10.244.2.1","flags":[]}`,
    ],
    ["of the kernel on our device", `{${member},"dev":"flannel.1","protocol":"2","scope":"253","flags":[]}`],
    ["of several next hops", `{${member},"flags":[],"nexthops":[{"gateway":"192.0.2.3","dev":"u0"}]}`],
    ["that drops", `{"type":"6",${member},"flags":[]}`],
    ["with ours behind it", `{${viaU0}},{${onDevice},"protocol":"84"}`],
  ])("leaves a foreign one %s, and says so", (_what, text) => {
    const result = atPlace(text);
    expect(lines(result)).toEqual([]);
    expect(result.conflicts).toEqual([{ wanted: wanted.routes[0], foreign: routesOf(text)[0] }]);
  });

  it.each([
    ["of another metric", `{${viaU0},"metric":5}`],
    ["of another length", `{"dst":"10.244.2.0/25","gateway":"192.0.2.2","dev":"u0","flags":[]}`],
    ["for one type of service", `{${viaU0},"tos":"0x10"}`],
  ])("makes ours beside a foreign one %s", (_what, route) => {
    expect(lines(atPlace(route))).toEqual([replacement.replace("replace", "add")]);
  });

  it("leaves a foreign one behind ours, which the kernel does not use", () => {
    expect(atPlace(`{${onDevice},"protocol":"84"},{${viaU0}}`)).toEqual({
      commands: { before: [], bridge: [], after: [] },
      conflicts: [],
    });
  });

  it("removes every other one of ours, but never the one that replace takes", () => {
    const stale = (gateway: string): string =>
      `{${member},"gateway":"${gateway}","dev":"u0","protocol":"84","flags":[]}`;
    expect(lines(atPlace(stale("192.0.2.3"), stale("192.0.2.4")))).toEqual([
      "route del unicast 10.244.2.0/24 via 192.0.2.4 dev u0 proto 84 metric 0",
      replacement,
    ]);
    // The kernel refuses to replace when the very same one is there.
    expect(lines(atPlace(stale("192.0.2.3"), `{${onDevice},"protocol":"84"}`))).toEqual([
      "route del unicast 10.244.2.0/24 via 192.0.2.3 dev u0 proto 84 metric 0",
    ]);
  });
});

describe("planObjects of routes that nobody wants", () => {
  it.each([
    [
      "a default route into our device",
      `"dst":"default","gateway":"10.244.9.1","dev":"flannel.1","protocol":"16"`,
      1,
    ],
    [
      "a connected one of our device",
      `"dst":"10.244.9.0/24","dev":"flannel.1","protocol":"2","scope":"253"`,
      0,
    ],
    ["a link-local one of our device", `"dst":"169.254.0.0/16","dev":"flannel.1","scope":"253"`, 0],
    ["a foreign one within the network", `"dst":"10.244.9.0/24","gateway":"192.0.2.2","dev":"u0"`, 0],
    ["ours outside the network", `"dst":"10.245.9.0/24","gateway":"192.0.2.2","dev":"u0","protocol":"84"`, 1],
  ])("judges %s", (_what, members, removals) => {
    const routes = routesOf(`{${members},"flags":[]}`);
    expect(lines(plan(NONE, { ...EMPTY, routes }))).toHaveLength(removals);
  });
});
