import { describe, expect, it } from "vitest";
import {
  findForeignRoute,
  parseQueueKind,
  planDevice,
  planGivingWay,
  planUndo,
} from "../../../../src/backends/tunnel/overlay-device.ts";
import type { PresentDevice, WantedDevice } from "../../../../src/backends/tunnel/overlay-device.ts";
import type { InterfaceAddress } from "../../../../src/kernel/addresses.ts";
import { OWN_LINK_ALIAS } from "../../../../src/kernel/links.ts";
import type { Link } from "../../../../src/kernel/links.ts";
import { BLACKHOLE_METRIC, OWN_ROUTE_PROTOCOL } from "../../../../src/kernel/routes.ts";
import type { Route } from "../../../../src/kernel/routes.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const LINK: Link = {
  index: 7,
  name: "flannel0",
  mtu: 1472,
  isUp: true,
  isLoopback: false,
  operState: "UNKNOWN",
  mac: null,
  alias: OWN_LINK_ALIAS,
  kind: "tun",
};

const address = (text: string): InterfaceAddress => ({
  interfaceIndex: LINK.index,
  interfaceName: LINK.name,
  address: addressOf(text),
  prefixLength: 32,
  scope: "global",
  isDeprecated: false,
  isDynamic: false,
  isSecondary: false,
});
const toDevice = (destination: string): Route => ({
  destination: prefixOf(destination),
  kind: "unicast",
  interfaceName: LINK.name,
  gateway: null,
  isOnlink: false,
  metric: 0,
  protocol: OWN_ROUTE_PROTOCOL,
});
const blackhole = (destination: string): Route => ({
  ...toDevice(destination),
  kind: "blackhole",
  interfaceName: null,
  metric: BLACKHOLE_METRIC,
});

const NETWORK = "10.244.0.0/16";
const COMPLETE: PresentDevice = {
  link: LINK,
  queueKind: "one",
  addresses: [address("10.244.7.0")],
  ownRoutes: [toDevice(NETWORK), blackhole(NETWORK)],
};
const NOTHING: PresentDevice = { link: null, queueKind: null, addresses: [], ownRoutes: [] };

const WANTED: WantedDevice = {
  deviceName: LINK.name,
  network: prefixOf(NETWORK),
  address: addressOf("10.244.7.0"),
  overlayMtu: 1472,
};

const MAKE_BLACKHOLE = "route replace blackhole 10.244.0.0/16 proto 84 metric 4278198272";
const MAKE_ROUTE = "route replace unicast 10.244.0.0/16 dev flannel0 scope global proto 84 metric 0";

function plan(present: PresentDevice, link: Link = LINK): string[] {
  return planDevice(WANTED, link, present).map((words) => words.join(" "));
}

describe("planDevice", () => {
  it("has nothing to do on a device that is as wanted", () => {
    expect(plan(COMPLETE)).toEqual([]);
  });

  it("makes the blackhole first and the route into the device last", () => {
    expect(plan({ ...NOTHING, link: LINK }, { ...LINK, mtu: 1500, isUp: false, alias: null })).toEqual([
      MAKE_BLACKHOLE,
      "address add 10.244.7.0/32 dev flannel0",
      "link set dev flannel0 mtu 1472 alias twill up",
      MAKE_ROUTE,
    ]);
  });

  it("puts back only what is missing", () => {
    expect(plan({ ...COMPLETE, ownRoutes: [blackhole(NETWORK)] })).toEqual([MAKE_ROUTE]);
    expect(plan({ ...COMPLETE, ownRoutes: [toDevice(NETWORK)] })).toEqual([MAKE_BLACKHOLE]);
    expect(plan({ ...COMPLETE, addresses: [] })).toEqual(["address add 10.244.7.0/32 dev flannel0"]);
  });

  it("removes the address of an earlier subnet and keeps one outside the overlay", () => {
    const addresses = [address("10.244.3.0"), address("198.51.100.1"), address("10.244.7.0")];
    expect(plan({ ...COMPLETE, addresses })).toEqual(["address del 10.244.3.0/32 dev flannel0"]);
  });

  it("moves from one overlay network to another", () => {
    const ownRoutes = [toDevice("10.99.0.0/16"), blackhole("10.99.0.0/16")];
    expect(plan({ ...COMPLETE, addresses: [address("10.99.1.0")], ownRoutes })).toEqual([
      MAKE_BLACKHOLE,
      "address add 10.244.7.0/32 dev flannel0",
      "address del 10.99.1.0/32 dev flannel0",
      MAKE_ROUTE,
      "route del unicast 10.99.0.0/16 dev flannel0 proto 84 metric 0",
      "route del blackhole 10.99.0.0/16 proto 84 metric 4278198272",
    ]);
  });

  it("leaves routes of ours alone that another overlay on this host uses", () => {
    const ownRoutes = [...COMPLETE.ownRoutes, { ...toDevice("10.99.3.0/24"), interfaceName: "eth0" }];
    expect(plan({ ...COMPLETE, ownRoutes: [...ownRoutes, blackhole("10.99.0.0/16")] })).toEqual([]);
  });
});

describe("planGivingWay", () => {
  const commandsFor = (present: PresentDevice): string[] =>
    planGivingWay(WANTED, present).map((words) => words.join(" "));
  const vxlan: Link = { ...LINK, kind: "vxlan" };

  it("deletes a vxlan device behind the blackhole, which is made where it is missing", () => {
    expect(commandsFor({ ...NOTHING, link: vxlan })).toEqual([MAKE_BLACKHOLE, "link del dev flannel0"]);
    expect(commandsFor({ ...COMPLETE, link: vxlan })).toEqual(["link del dev flannel0"]);
  });

  it("leaves a TUN, and does nothing without a device", () => {
    expect(commandsFor(COMPLETE)).toEqual([]);
    expect(commandsFor(NOTHING)).toEqual([]);
  });
});

describe("parseQueueKind", () => {
  const link = (ifname: string, data: object | null): object => ({
    ifname,
    linkinfo: { info_kind: "tun", ...(data === null ? {} : { info_data: data }) },
  });

  it.each([
    ["one", { type: "tun", multi_queue: false }],
    ["several", { type: "tun", multi_queue: true, numqueues: 0 }],
    [null, { type: "tap", multi_queue: true }],
    [null, null],
  ])("is %s for a device of %j", (kind, data) => {
    expect(parseQueueKind([link("flannel0", data)])).toBe(kind);
  });

  it("is null without a device, and for one of no kind", () => {
    expect(parseQueueKind([])).toBeNull();
    expect(parseQueueKind([{ ifname: "flannel0" }])).toBeNull();
    expect(parseQueueKind(null)).toBeNull();
  });
});

describe("planUndo", () => {
  const undo = (before: PresentDevice, present: PresentDevice): string[] =>
    planUndo(before, present).map((words) => words.join(" "));

  it("removes all that a failed first start made", () => {
    expect(undo(NOTHING, COMPLETE)).toEqual([
      "route del unicast 10.244.0.0/16 dev flannel0 proto 84 metric 0",
      "route del blackhole 10.244.0.0/16 proto 84 metric 4278198272",
      "link del dev flannel0",
    ]);
  });

  it("removes nothing that was there before the start", () => {
    expect(undo(COMPLETE, COMPLETE)).toEqual([]);
    expect(undo({ ...NOTHING, ownRoutes: [blackhole(NETWORK)] }, COMPLETE)).toEqual([
      "route del unicast 10.244.0.0/16 dev flannel0 proto 84 metric 0",
      "link del dev flannel0",
    ]);
  });

  it.each([
    ["is gone", NOTHING],
    ["was made anew", { ...NOTHING, link: { ...LINK, index: LINK.index + 1 } }],
  ])(
    "keeps a new blackhole when the device that was there before %s, with the route into it",
    (_how, left) => {
      const before = { ...COMPLETE, ownRoutes: [toDevice(NETWORK)] };
      expect(undo(before, { ...left, ownRoutes: [blackhole(NETWORK)] })).toEqual([]);
    },
  );

  it("removes a new blackhole while the device that was there before is there", () => {
    expect(undo({ ...COMPLETE, ownRoutes: [toDevice(NETWORK)] }, COMPLETE)).toEqual([
      "route del blackhole 10.244.0.0/16 proto 84 metric 4278198272",
    ]);
  });
});

describe("findForeignRoute", () => {
  const foreign: Route = { ...toDevice(NETWORK), interfaceName: "eth0", protocol: 3 };

  it("finds a route of somebody else to the same network", () => {
    expect(findForeignRoute([blackhole(NETWORK), foreign], LINK.name)).toBe(foreign);
    const prohibit: Route = { ...foreign, kind: "other", interfaceName: null };
    expect(findForeignRoute([prohibit], LINK.name)).toBe(prohibit);
  });

  it("takes over our own route, flannel's into the same device, and gives way to none of a higher metric", () => {
    const flannels: Route = { ...toDevice(NETWORK), protocol: 3 };
    const routes = [...COMPLETE.ownRoutes, flannels, { ...foreign, metric: 100 }];
    expect(findForeignRoute(routes, LINK.name)).toBeNull();
  });
});
