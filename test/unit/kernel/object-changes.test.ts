import { describe, expect, it } from "vitest";
import type { KernelObjects } from "../../../src/kernel/kernel-objects.ts";
import { planChanges } from "../../../src/kernel/object-changes.ts";
import { gatewayRoute, onlinkRoute, placeOf } from "../../../src/kernel/routes.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";
import { macOf } from "../../support/mac.ts";

const DEVICE = "flannel.1";
const NONE: KernelObjects = { routes: [], neighbours: [], fdb: [] };

/** What carries packets to peer `n` through the device. */
function encapsulated(n: number, mac = n, underlay = n): KernelObjects {
  const subnet = prefixOf(`10.244.${n}.0/24`);
  const vtepMac = macOf(`02:00:00:00:00:0${mac}`);
  return {
    routes: [onlinkRoute(subnet, DEVICE)],
    neighbours: [{ address: subnet.address, mac: vtepMac }],
    fdb: [{ mac: vtepMac, underlayIp: addressOf(`192.0.2.${underlay}`) }],
  };
}

/** What carries packets to peer `n` without encapsulation. */
function direct(n: number): KernelObjects {
  return {
    ...NONE,
    routes: [gatewayRoute(prefixOf(`10.244.${n}.0/24`), addressOf(`192.0.2.${n}`), "u0")],
  };
}

function all(...objects: KernelObjects[]): KernelObjects {
  return {
    routes: objects.flatMap(({ routes }) => routes),
    neighbours: objects.flatMap(({ neighbours }) => neighbours),
    fdb: objects.flatMap(({ fdb }) => fdb),
  };
}

/** The three batches, one string for each command. */
function plan(old: KernelObjects, wanted: KernelObjects, foreignPlaces: string[] = []): string[][] {
  const commands = planChanges(old, wanted, DEVICE, (place) => !foreignPlaces.includes(place));
  const { before, bridge, after } = commands;
  return [before, bridge, after].map((batch) => batch.map((words) => words.join(" ")));
}

describe("planChanges", () => {
  const route = (verb: string, n: number): string =>
    `route ${verb} unicast 10.244.${n}.0/24 via 10.244.${n}.0 dev flannel.1 onlink`;
  const added = "scope global proto 84 metric 0";
  const removed = "proto 84 metric 0";
  const directRoute = (verb: string, n: number): string =>
    `route ${verb} unicast 10.244.${n}.0/24 via 192.0.2.${n} dev u0`;

  it("has nothing to do for the same set in another order", () => {
    const [two, three] = [encapsulated(2), encapsulated(3)];
    expect(plan(all(two, three, direct(4)), all(direct(4), three, two))).toEqual([[], [], []]);
  });

  it("adds a peer's route last, and never over another one", () => {
    expect(plan(encapsulated(2), all(encapsulated(2), encapsulated(3)))).toEqual([
      [],
      ["fdb replace 02:00:00:00:00:03 dev flannel.1 self permanent dst 192.0.2.3"],
      [
        "neigh replace 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1 nud permanent",
        `${route("add", 3)} ${added}`,
      ],
    ]);
  });

  it("removes a peer's route first", () => {
    expect(plan(all(encapsulated(2), encapsulated(3)), encapsulated(2))).toEqual([
      [`${route("del", 3)} ${removed}`],
      ["fdb del 02:00:00:00:00:03 dev flannel.1 self"],
      ["neigh del 10.244.3.0 dev flannel.1"],
    ]);
  });

  it("gives a new MAC its FDB entry before the address leads to it, and leaves the route", () => {
    expect(plan(encapsulated(2), encapsulated(2, 7))).toEqual([
      [],
      [
        "fdb replace 02:00:00:00:00:07 dev flannel.1 self permanent dst 192.0.2.2",
        "fdb del 02:00:00:00:00:02 dev flannel.1 self",
      ],
      ["neigh replace 10.244.2.0 lladdr 02:00:00:00:00:07 dev flannel.1 nud permanent"],
    ]);
  });

  it("changes the FDB entry alone when the underlay address changes", () => {
    expect(plan(encapsulated(2), encapsulated(2, 2, 9))).toEqual([
      [],
      ["fdb replace 02:00:00:00:00:02 dev flannel.1 self permanent dst 192.0.2.9"],
      [],
    ]);
  });

  it("keeps a MAC that goes over to another peer", () => {
    expect(plan(encapsulated(2, 7, 2), encapsulated(3, 7, 3))).toEqual([
      [`${route("del", 2)} ${removed}`],
      ["fdb replace 02:00:00:00:00:07 dev flannel.1 self permanent dst 192.0.2.3"],
      [
        "neigh replace 10.244.3.0 lladdr 02:00:00:00:00:07 dev flannel.1 nud permanent",
        "neigh del 10.244.2.0 dev flannel.1",
        `${route("add", 3)} ${added}`,
      ],
    ]);
  });

  it("moves a route out of the device before its entries go, and into it after they are there", () => {
    expect(plan(encapsulated(2), direct(2))).toEqual([
      [`${directRoute("replace", 2)} ${added}`],
      ["fdb del 02:00:00:00:00:02 dev flannel.1 self"],
      ["neigh del 10.244.2.0 dev flannel.1"],
    ]);
    expect(plan(direct(2), encapsulated(2))).toEqual([
      [],
      ["fdb replace 02:00:00:00:00:02 dev flannel.1 self permanent dst 192.0.2.2"],
      [
        "neigh replace 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent",
        `${route("replace", 2)} ${added}`,
      ],
    ]);
  });

  it("neither replaces nor removes in a place that is not ours", () => {
    const foreignPlaces = direct(2).routes.map(placeOf);
    expect(plan(encapsulated(2), direct(2), foreignPlaces)[0]).toEqual([`${directRoute("add", 2)} ${added}`]);
    expect(plan(direct(2), NONE, foreignPlaces)).toEqual([[], [], []]);
    expect(plan(direct(2), NONE)[0]).toEqual([`${directRoute("del", 2)} ${removed}`]);
  });

  it("has no neighbour and no FDB entry without a device", () => {
    const { before, bridge, after } = planChanges(NONE, encapsulated(2), null, () => true);
    expect([before.length, bridge, after]).toEqual([1, [], []]);
  });
});
