import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ObjectKeeper } from "../../src/kernel/kernel-objects.ts";
import { blackholeRoute } from "../../src/kernel/routes.ts";
import { prefixOf } from "../support/ipv4.ts";
import { DEVICE, ObjectPlace, encapsulated, withRoutes } from "../support/object-place.ts";

const MANY = 5_000;
/** Generous: some tenths of a second are usual. */
const MANY_DEADLINE_MS = 10_000;
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

describe("createObjectKeeper with thousands of peers", () => {
  it(
    "makes them in one go, finds nothing to repair, and puts back what somebody took away",
    async () => {
      await place.ip(
        "route add 203.0.113.0/24 via 192.0.2.66 dev u0 proto 17",
        "route add 10.199.0.0/24 via 192.0.2.66 dev u0",
      );
      const numbers = Array.from({ length: MANY }, (_, i) => i + 2);
      const all = withRoutes(encapsulated(numbers), blackholeRoute(prefixOf("10.0.0.0/8")));
      const before = await place.showForeignRoutes();
      const times: Record<string, number> = {};
      const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
        const startMs = performance.now();
        const result = await work();
        times[what] = Math.round(performance.now() - startMs);
        return result;
      };

      await keeper.sync(encapsulated([]), NO_ABORT);
      place.commands.writes.length = 0;
      await timed("sync", () => keeper.sync(all, NO_ABORT));
      expect(place.commands.writes.map(([program]) => program)).toEqual(["ip", "bridge", "ip"]);
      const made = await place.showAll();
      expect([made.routes.length, made.neighbours.length, made.fdb.length]).toEqual([MANY + 4, MANY, MANY]);
      expect(await timed("idle audit", () => keeper.audit(NO_ABORT))).toEqual({ repairs: 0, conflicts: [] });
      await timed("idle sync", () => keeper.sync(all, NO_ABORT));

      await place.ip("route flush proto 84");
      const half = encapsulated(numbers.slice(0, MANY / 2));
      await place.commands.bridge.apply(
        half.fdb.map(({ mac }) => ["fdb", "del", mac.toString(), "dev", DEVICE, "self"]),
        NO_ABORT,
      );
      await place.commands.ip.apply(
        half.neighbours.map(({ address }) => ["neigh", "del", address.toString(), "dev", DEVICE]),
        NO_ABORT,
      );
      const repaired = await timed("repair", () => keeper.audit(NO_ABORT));
      expect(repaired).toEqual({ repairs: 2 * MANY + 1, conflicts: [] });
      expect(await keeper.audit(NO_ABORT)).toEqual({ repairs: 0, conflicts: [] });
      const after = await place.showAll();
      expect(after.routes).toEqual(made.routes);
      expect(after.neighbours.sort()).toEqual(made.neighbours.sort());
      expect(after.fdb.sort()).toEqual(made.fdb.sort());

      await timed("removal", () => keeper.sync(encapsulated([]), NO_ABORT));
      expect(await place.showForeignRoutes()).toEqual(before);
      expect(Math.max(...Object.values(times)), JSON.stringify(times)).toBeLessThan(MANY_DEADLINE_MS);
    },
    6 * MANY_DEADLINE_MS,
  );
});
