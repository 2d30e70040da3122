import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KernelObjects, ObjectKeeper } from "../../src/kernel/kernel-objects.ts";
import { blackholeRoute, gatewayRoute } from "../../src/kernel/routes.ts";
import type { Route } from "../../src/kernel/routes.ts";
import { eventually } from "../support/eventually.ts";
import { addressOf, prefixOf } from "../support/ipv4.ts";
import { CONNECTED, DEVICE, ObjectPlace, encapsulated, withRoutes } from "../support/object-place.ts";

const NO_ABORT = new AbortController().signal;

let place: ObjectPlace;
let keeper: ObjectKeeper;

beforeEach(async () => {
  place = await ObjectPlace.create();
  keeper = place.newKeeper().keeper;
});
afterEach(async () => {
  await place[Symbol.asyncDispose]();
});

const PEER_2 = {
  routes: ["10.244.2.0/24 via 10.244.2.0 dev flannel.1 proto 84 onlink", CONNECTED],
  neighbours: ["10.244.2.0 lladdr 02:00:00:00:00:02 PERMANENT"],
  fdb: ["02:00:00:00:00:02 dst 192.0.2.2 self permanent"],
};
const EMPTY = { routes: [CONNECTED], neighbours: [], fdb: [] };

describe("createObjectKeeper", () => {
  it("makes what a peer needs, as flannel does, and removes it", async () => {
    await keeper.sync(encapsulated([]), NO_ABORT);
    await keeper.sync(encapsulated([2]), NO_ABORT);
    expect(await place.showAll()).toEqual(PEER_2);
    await keeper.sync(encapsulated([]), NO_ABORT);
    expect(await place.showAll()).toEqual(EMPTY);
    expect(place.commands.writes.map(([program]) => program)).toEqual(["bridge", "ip", "ip", "bridge", "ip"]);
  });

  it("knows nothing before its first sync, and changes nothing", async () => {
    await keeper.sync(encapsulated([2]), NO_ABORT);
    expect(await place.newKeeper().keeper.audit(NO_ABORT)).toEqual({ repairs: 0, conflicts: [] });
    expect(await place.showAll()).toEqual(PEER_2);
  });

  it("writes nothing where nothing differs: at a sync, an audit, and the first sync of another keeper", async () => {
    const wanted = withRoutes(
      encapsulated([2, 3]),
      blackholeRoute(prefixOf("10.0.0.0/8")),
      gatewayRoute(prefixOf("10.244.9.0/24"), addressOf("192.0.2.9"), "u0"),
    );
    await keeper.sync(wanted, NO_ABORT);
    place.commands.writes.length = 0;
    place.commands.reads = 0;
    await keeper.sync(wanted, NO_ABORT);
    expect(place.commands.reads).toBe(0);
    expect(await keeper.audit(NO_ABORT)).toEqual({ repairs: 0, conflicts: [] });
    await place.newKeeper().keeper.sync(wanted, NO_ABORT);
    expect(place.commands.writes).toEqual([]);
  });

  it("takes over what a flannel daemon made, and removes what it left of peers that are gone", async () => {
    await place.ip(
      "route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
      "neigh replace 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent",
      "route add 10.244.8.0/24 via 10.244.8.0 dev flannel.1 onlink",
      "neigh replace 10.244.8.0 lladdr 02:00:00:00:00:08 dev flannel.1 nud permanent",
    );
    await place.bridge(
      "fdb replace 02:00:00:00:00:02 dev flannel.1 self permanent dst 192.0.2.2",
      "fdb replace 02:00:00:00:00:08 dev flannel.1 self permanent dst 192.0.2.8",
    );
    const monitor = await place.watchRoutes();
    await keeper.sync(encapsulated([2]), NO_ABORT);
    expect(await place.showAll()).toEqual(PEER_2);
    expect((await monitor.stop()).filter((line) => line.includes("Deleted"))).toEqual([
      "Deleted 10.244.8.0/24 via 10.244.8.0 dev flannel.1 onlink ",
    ]);
  });

  it("keeps the route of a peer that changes its MAC, its address, and both", async () => {
    await keeper.sync(encapsulated([2]), NO_ABORT);
    const monitor = await place.watchRoutes();
    for (const [macBy, underlayBy] of [
      [16, 0],
      [16, 16],
      [0, 0],
    ] as const) {
      await keeper.sync(encapsulated([2], { macBy, underlayBy }), NO_ABORT);
      expect(await place.showAll()).toMatchObject({
        neighbours: [`10.244.2.0 lladdr 02:00:00:00:00:${macBy === 0 ? "02" : "12"} PERMANENT`],
        fdb: [`02:00:00:00:00:${macBy === 0 ? "02" : "12"} dst 192.0.2.${2 + underlayBy} self permanent`],
      });
    }
    expect(await monitor.stop()).toEqual([]);
  });

  it("moves a peer to direct routing and back by replacing its route", async () => {
    const direct: KernelObjects = {
      ...encapsulated([]),
      routes: [gatewayRoute(prefixOf("10.244.2.0/24"), addressOf("192.0.2.2"), "u0")],
    };
    await keeper.sync(encapsulated([2]), NO_ABORT);
    const monitor = await place.watchRoutes();
    await keeper.sync(direct, NO_ABORT);
    expect(await place.showAll()).toEqual({
      ...EMPTY,
      routes: ["10.244.2.0/24 via 192.0.2.2 dev u0 proto 84", CONNECTED],
    });
    await keeper.sync(encapsulated([2]), NO_ABORT);
    expect(await place.showAll()).toEqual(PEER_2);
    expect((await monitor.stop()).filter((line) => line.includes("Deleted"))).toEqual([]);
  });

  it("repairs at once what a change finds broken", async () => {
    await keeper.sync(encapsulated([2, 3]), NO_ABORT);
    await place.bridge(
      "fdb del 02:00:00:00:00:02 dev flannel.1 self",
      "fdb del 02:00:00:00:00:03 dev flannel.1 self",
    );
    await keeper.sync(encapsulated([2]), NO_ABORT);
    expect(await place.showAll()).toEqual(PEER_2);
  });

  it("repairs what link down and up took away, and what a new MAC of the device did", async () => {
    await keeper.sync(encapsulated([2]), NO_ABORT);
    await place.ip("link set flannel.1 down", "link set flannel.1 up");
    expect((await keeper.audit(NO_ABORT)).repairs).toBe(2); // route and neighbour: FDB entries stay
    expect(await place.showAll()).toEqual(PEER_2);
    await place.ip("link set flannel.1 address 02:00:00:00:00:0a");
    expect((await keeper.audit(NO_ABORT)).repairs).toBe(1);
    expect(await place.showAll()).toEqual(PEER_2);
  });

  it("fails without the device, and repairs all once it is back", async () => {
    await keeper.sync(encapsulated([3]), NO_ABORT);
    await place.ip(`link del ${DEVICE}`);
    await expect(keeper.audit(NO_ABORT)).rejects.toMatchObject({ code: "ERR_KERNEL_FAILED" });
    await expect(keeper.sync(encapsulated([2]), NO_ABORT)).rejects.toThrow('Cannot find device "flannel.1"');
    await place.makeDevice();
    await keeper.sync(encapsulated([2]), NO_ABORT);
    expect(await place.showAll()).toEqual(PEER_2);
  });

  it("makes what can be made when one route cannot, and says which", async () => {
    const unreachable = gatewayRoute(prefixOf("10.244.9.0/24"), addressOf("203.0.113.9"), "u0");
    const wanted = withRoutes(encapsulated([2]), unreachable);
    await expect(keeper.sync(wanted, NO_ABORT)).rejects.toThrow(
      "route add unicast 10.244.9.0/24 via 203.0.113.9",
    );
    expect(await place.showAll()).toEqual(PEER_2);
  });

  it("recognises its routes on a link without carrier", async () => {
    const wanted = withRoutes(
      encapsulated([2]),
      gatewayRoute(prefixOf("10.244.9.0/24"), addressOf("192.0.2.9"), "u0"),
    );
    await keeper.sync(wanted, NO_ABORT);
    await place.ip("link set p0 down");
    await eventually(async () => {
      expect(await place.namespace.run("ip", ["route", "show", "10.244.9.0/24"])).toContain("linkdown");
    });
    expect(await keeper.audit(NO_ABORT)).toEqual({ repairs: 0, conflicts: [] });
  });

  it("removes from its device what network managers put there, and nothing that the kernel did", async () => {
    await place.ip(
      "addr add 198.51.100.1/24 dev flannel.1",
      "route add default via 198.51.100.254 dev flannel.1 metric 300",
      "route add 169.254.0.0/16 dev flannel.1",
      "neigh replace 198.51.100.7 lladdr 02:00:00:00:00:77 dev flannel.1 nud permanent",
    );
    await place.bridge(
      "fdb append 00:00:00:00:00:00 dev flannel.1 self permanent dst 192.0.2.4",
      "fdb append 00:00:00:00:00:00 dev flannel.1 self permanent dst 192.0.2.5",
      "fdb replace 02:00:00:00:00:02 dev flannel.1 self permanent dst 192.0.2.2 port 9999 vni 7 via u0",
      "fdb add 02:00:00:00:00:55 dev flannel.1 self dynamic dst 192.0.2.6",
    );
    await keeper.sync(encapsulated([2]), NO_ABORT);
    expect(await place.showAll()).toEqual({
      routes: [
        PEER_2.routes[0],
        "169.254.0.0/16 dev flannel.1 scope link",
        CONNECTED,
        "198.51.100.0/24 dev flannel.1 proto kernel scope link src 198.51.100.1",
      ],
      neighbours: PEER_2.neighbours,
      fdb: ["02:00:00:00:00:55 dst 192.0.2.6 self", ...PEER_2.fdb],
    });
  });

  it("leaves its own routes outside the device where it is told to", async () => {
    await place.ip(
      "route add 10.244.9.0/24 via 192.0.2.9 proto 84",
      "route add 10.245.9.0/24 via 192.0.2.9 proto 84",
    );
    const network = prefixOf("10.244.0.0/16");
    const mayRemove = ({ destination }: Route): boolean => network.containsPrefix(destination);
    await place.newKeeper({ network, mayRemove }).keeper.sync(encapsulated([]), NO_ABORT);
    expect(await place.show("ip", "-4 route show")).toEqual([
      "10.245.9.0/24 via 192.0.2.9 dev u0 proto 84",
      CONNECTED,
    ]);
  });
});
