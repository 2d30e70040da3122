/** What `Registry.watch` promises, on etcd and on the registry in memory. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { modRevisionOf } from "../../src/subnet-lease/registry-event.ts";
import type { RegistryEvent, WatchBatch } from "../../src/subnet-lease/registry.ts";
import { codeOf, put, RegistryBench, showEvent } from "../support/registry-bench.ts";
import { REGISTRY_SUBJECTS } from "../support/registry-subjects.ts";

const never = new AbortController().signal;

describe.each(REGISTRY_SUBJECTS)("$name", ({ start }) => {
  const bench = RegistryBench.use(start);

  describe("watch", () => {
    it("gives an item without events first, when the watch stands", async () => {
      const from = await bench.write("a", "1");
      const batches: WatchBatch[] = [];
      for await (const batch of bench.registry.watch(bench.prefix, from, never)) {
        batches.push(batch);
        if (batches.length === 2) break;
      }
      expect(batches.map((batch) => batch.events.map(showEvent))).toEqual([[], [`put ${bench.prefix}a 1`]]);
      expect(batches[0]?.header.revision).toBe(from);
    });

    it("gives every event under the prefix from the revision on, in order, past and future", async () => {
      await bench.write("before", "0");
      const from = await bench.write("a", "1");
      await bench.remove("a", await bench.write("a", "2", from));
      const seen: RegistryEvent[] = [];
      for await (const { events } of bench.registry.watch(bench.prefix, from, never)) {
        seen.push(...events);
        if (seen.length === 3) {
          await bench.registry.commit("/elsewhere/a", 0n, put(""), never);
          await bench.write("b", "3");
        }
        if (seen.length === 4) break;
      }
      expect(seen.map(showEvent)).toEqual([
        `put ${bench.prefix}a 1`,
        `put ${bench.prefix}a 2`,
        `delete ${bench.prefix}a`,
        `put ${bench.prefix}b 3`,
      ]);
      const revisions = seen.map(modRevisionOf);
      expect(revisions).toEqual([...revisions].sort((a, b) => Number(a - b)));
      expect(revisions[0]).toBe(from);
    });

    it("resumes without a gap from any revision", async () => {
      const revisions: bigint[] = [];
      for (const value of ["1", "2", "3", "4"]) revisions.push(await bench.write(value, value));
      for (const [i, revision] of revisions.entries()) {
        expect((await bench.collect(revision, revisions.length - i)).map(modRevisionOf)).toEqual(
          revisions.slice(i),
        );
      }
    });

    it("breaks when the connection is given up, and the next one goes on", async () => {
      const from = await bench.write("a", "1");
      const watching = bench.collect(from + 1n, 1);
      watching.catch(() => undefined); // looked at below
      await bench.registry.read(`${bench.prefix}a`, never);
      bench.registry.reconnect();
      expect(await codeOf(watching)).toBe("ERR_REGISTRY_UNAVAILABLE");

      await bench.write("b", "2");
      expect((await bench.collect(from, 2)).map(showEvent)).toEqual([
        `put ${bench.prefix}a 1`,
        `put ${bench.prefix}b 2`,
      ]);
    });

    it("gives no event from before a start in the future", async () => {
      const now = await bench.write("a", "1");
      const seen: RegistryEvent[] = [];
      for await (const { events } of bench.registry.watch(bench.prefix, now + 2n, never)) {
        seen.push(...events);
        if (seen.length > 0) break;
        await bench.write("b", "early");
        await bench.write("c", "in time");
      }
      expect(seen.map(showEvent)).toEqual([`put ${bench.prefix}c in time`]);
    });

    it("fails with ERR_REGISTRY_COMPACTED when the history from there is gone", async () => {
      const first = await bench.write("a", "1");
      const second = await bench.write("a", "2", first);
      await bench.subject.compact(second);
      expect(await codeOf(bench.collect(first, 1))).toBe("ERR_REGISTRY_COMPACTED");
      expect((await bench.collect(second, 1)).map(showEvent)).toEqual([`put ${bench.prefix}a 2`]);
    });

    it("ends without an error when the signal is aborted, before or while it stands", async () => {
      const aborted = AbortSignal.abort();
      for await (const batch of bench.registry.watch(bench.prefix, 1n, aborted))
        expect(batch).toBe("nothing");
      const stop = new AbortController();
      for await (const batch of bench.registry.watch(
        bench.prefix,
        (await bench.revisionNow()) + 1n,
        stop.signal,
      )) {
        expect(batch.events).toEqual([]);
        stop.abort();
      }
    });

    it("ends at once when the signal is aborted while it waits", async () => {
      const stop = new AbortController();
      const from = (await bench.revisionNow()) + 1n;
      const batches = bench.registry.watch(bench.prefix, from, stop.signal)[Symbol.asyncIterator]();
      await batches.next();
      const waiting = batches.next();
      await turn();
      stop.abort();
      expect(await waiting).toEqual({ done: true, value: undefined });
    });

    it("refuses revision 0, which etcd would take for now", async () => {
      await expect(bench.collect(0n, 1)).rejects.toThrow(RangeError);
    });

    it("fails when the registry is closed", async () => {
      const from = (await bench.revisionNow()) + 1n;
      const watching = (async () => {
        for await (const batch of bench.registry.watch(bench.prefix, from, never)) {
          expect(batch.events).toEqual([]);
          void bench.registry.close();
        }
      })();
      expect(await codeOf(watching)).toBe("ERR_REGISTRY_UNAVAILABLE");
    });
  });

  describe("watchKey", () => {
    it("gives every event of the key, past and future, and none of a longer one", async () => {
      const from = await bench.write("config", "1");
      await bench.write("config/more", "1");
      const seen: RegistryEvent[] = [];
      for await (const { events } of bench.registry.watchKey(`${bench.prefix}config`, from, never)) {
        seen.push(...events);
        if (seen.length === 0) {
          await bench.write("config2", "1");
          await bench.remove("config", await bench.write("config", "2", from));
        }
        if (seen.length >= 3) break;
      }
      expect(seen.map(showEvent)).toEqual([
        `put ${bench.prefix}config 1`,
        `put ${bench.prefix}config 2`,
        `delete ${bench.prefix}config`,
      ]);
    });

    it("fails with ERR_REGISTRY_COMPACTED when the history from there is gone", async () => {
      const first = await bench.write("config", "1");
      await bench.subject.compact(await bench.write("config", "2", first));
      const watching = (async () => {
        for await (const { events } of bench.registry.watchKey(`${bench.prefix}config`, first, never))
          expect(events).toEqual([]);
      })();
      expect(await codeOf(watching)).toBe("ERR_REGISTRY_COMPACTED");
    });
  });
});
