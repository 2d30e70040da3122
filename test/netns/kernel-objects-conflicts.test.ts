import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ObjectKeeper } from "../../src/kernel/kernel-objects.ts";
import { gatewayRoute } from "../../src/kernel/routes.ts";
import { addressOf, prefixOf } from "../support/ipv4.ts";
import type { LogLine } from "../support/log-lines.ts";
import { ObjectPlace, encapsulated } from "../support/object-place.ts";
import type { RecordedKeeper } from "../support/object-place.ts";

const NO_ABORT = new AbortController().signal;

let place: ObjectPlace;
let recorded: RecordedKeeper;
let keeper: ObjectKeeper;

beforeEach(async () => {
  place = await ObjectPlace.create();
  recorded = place.newKeeper();
  keeper = recorded.keeper;
});
afterEach(async () => {
  await place[Symbol.asyncDispose]();
});

describe("createObjectKeeper beside routes of somebody else", () => {
  const FOREIGN = [
    "route add 10.244.2.0/24 via 192.0.2.66 dev u0 src 192.0.2.1 mtu 1400",
    "route add 10.244.3.0/24 via 192.0.2.66 dev u0 proto 17 metric 7",
    "route add 10.244.4.0/24 proto 18 nexthop via 192.0.2.66 dev u0 nexthop via 192.0.2.67 dev u0",
    "route add unreachable 10.244.5.0/24",
    "route add 10.244.6.0/24 via 192.0.2.66 dev u0 tos 0x10",
  ];
  const PEERS = [2, 3, 4, 5, 6];

  it("takes no place that is not free, says so once, and takes it when it is free", async () => {
    await place.ip(...FOREIGN);
    const before = await place.showForeignRoutes();
    await keeper.sync(encapsulated(PEERS), NO_ABORT);
    await keeper.sync(encapsulated([]), NO_ABORT);
    await keeper.sync(encapsulated(PEERS), NO_ABORT);
    const { conflicts, repairs } = await keeper.audit(NO_ABORT);
    expect(conflicts.map(({ destination }) => destination.toString())).toEqual([
      "10.244.2.0/24",
      "10.244.4.0/24",
      "10.244.5.0/24",
    ]);
    expect(repairs).toBe(0);
    expect(await place.showForeignRoutes()).toEqual(before);
    expect(await place.show("ip", "route show proto 84")).toEqual([
      "10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink",
      "10.244.6.0/24 via 10.244.6.0 dev flannel.1 onlink",
    ]);

    await place.ip("route del 10.244.2.0/24");
    expect(await keeper.audit(NO_ABORT)).toMatchObject({ repairs: 1, conflicts: [{}, {}] });
    const told = recorded.lines.filter(({ level }) => level !== "debug");
    const facts = (subnet: string): Partial<LogLine> => ({
      destination: `${subnet}/24`,
      wanted: `via ${subnet} dev flannel.1`,
    });
    expect(told).toEqual([
      expect.objectContaining({
        ...{ level: "warn", ...facts("10.244.2.0") },
        ...{ foreign: "via 192.0.2.66 dev u0", foreignProtocol: 3 },
      }),
      expect.objectContaining({ level: "warn", ...facts("10.244.4.0"), foreignProtocol: 18 }),
      expect.objectContaining({ level: "warn", ...facts("10.244.5.0"), foreign: "other" }),
      expect.objectContaining({ level: "info", ...facts("10.244.2.0") }),
    ]);
  });

  it("never replaces a route that took the place of ours", async () => {
    const [two, direct] = [
      encapsulated([2]),
      gatewayRoute(prefixOf("10.244.2.0/24"), addressOf("192.0.2.2"), "u0"),
    ];
    await keeper.sync(two, NO_ABORT);
    await place.ip("route replace 10.244.2.0/24 via 192.0.2.66 dev u0");
    expect(await keeper.audit(NO_ABORT)).toMatchObject({ repairs: 0, conflicts: [{}] });
    await keeper.sync({ ...two, routes: [direct] }, NO_ABORT);
    await keeper.sync(encapsulated([]), NO_ABORT);
    expect(await place.show("ip", "route show 10.244.2.0/24")).toEqual([
      "10.244.2.0/24 via 192.0.2.66 dev u0",
    ]);
  });
});
