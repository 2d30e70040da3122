/** What `Registry` promises of everything but its watch, on etcd and on the registry in memory. */
import { describe, expect, it } from "vitest";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import { keyOf, modRevisionOf } from "../../src/subnet-lease/registry-event.ts";
import { eventually } from "../support/eventually.ts";
import { untilNoHandles } from "../support/handles.ts";
import { codeOf, put, RegistryBench, showEvent, valueText } from "../support/registry-bench.ts";
import { REGISTRY_SUBJECTS } from "../support/registry-subjects.ts";

const CALL_TIMEOUT_MS = 3_000;
const never = new AbortController().signal;

describe.each(REGISTRY_SUBJECTS)("$name", ({ start }) => {
  const bench = RegistryBench.use(start);

  describe("read", () => {
    it("gives null for a key that does not exist", async () => {
      const { entry, header } = await bench.registry.read(`${bench.prefix}a`, never);
      expect(entry).toBeNull();
      expect(header.revision).toBeGreaterThan(0n);
      expect(header.clusterId).toBeGreaterThan(0n);
    });

    it("gives the key with both revisions and its etcd lease", async () => {
      const { etcdLeaseId } = await bench.registry.grant(60, never);
      const first = await bench.write("a", "1");
      const second = await bench.write("a", "2", first, etcdLeaseId);
      const { entry, header } = await bench.registry.read(`${bench.prefix}a`, never);
      expect({ ...entry, value: valueText(entry?.value) }).toEqual({
        key: `${bench.prefix}a`,
        value: "2",
        createRevision: first,
        modRevision: second,
        etcdLeaseId,
      });
      expect(second).toBe(first + 1n);
      expect(header.revision).toBe(second);
    });
  });

  describe("list", () => {
    it("gives the keys under the prefix in byte order, and no others", async () => {
      for (const name of ["b", "a/x", "a", "\u{1f980}", "\uffee"]) await bench.write(name, name);
      await bench.registry.commit(`${bench.prefix.slice(0, -1)}-sibling/a`, 0n, put(""), never);
      const { entries } = await bench.registry.list(bench.prefix, never);
      expect(entries.map((entry) => entry.key.slice(bench.prefix.length))).toEqual([
        "a",
        "a/x",
        "b",
        "\uffee",
        "\u{1f980}",
      ]);
    });
  });

  describe("commit", () => {
    it("lets exactly one of 20 writers create a key, and shows the others what it holds", async () => {
      const values = Array.from({ length: 20 }, (_, i) => `writer ${i}`);
      const results = await Promise.all(
        values.map((value) => bench.registry.commit(`${bench.prefix}a`, 0n, put(value), never)),
      );
      const winner = values[results.findIndex((result) => result.committed)];
      const losers = results.filter((result) => !result.committed);
      expect(losers).toHaveLength(19);
      for (const { current } of losers) expect(valueText(current?.value)).toBe(winner);
    });

    it("writes only over the revision it expects", async () => {
      const first = await bench.write("a", "1");
      const second = await bench.write("a", "2", first);
      const late = await bench.registry.commit(`${bench.prefix}a`, first, put("late"), never);
      expect(late).toMatchObject({ committed: false, current: { modRevision: second } });
      expect(late.header.revision).toBe(second);
      expect(valueText((await bench.registry.read(`${bench.prefix}a`, never)).entry?.value)).toBe("2");
    });

    it("says null when the key it expects does not exist", async () => {
      expect(await bench.registry.commit(`${bench.prefix}a`, 7n, put("1"), never)).toMatchObject({
        committed: false,
        current: null,
      });
    });

    it("deletes, and makes nothing of deleting what does not exist", async () => {
      const first = await bench.write("a", "1");
      expect(await bench.remove("a", first)).toBe(first + 1n);
      expect(await bench.remove("a", 0n)).toBe(first + 1n);
      expect((await bench.registry.read(`${bench.prefix}a`, never)).entry).toBeNull();
    });

    it("fails with ERR_REGISTRY_LEASE_GONE and writes nothing when the etcd lease does not exist", async () => {
      expect(await codeOf(bench.registry.commit(`${bench.prefix}a`, 0n, put("1", 4711n), never))).toBe(
        "ERR_REGISTRY_LEASE_GONE",
      );
      expect((await bench.registry.read(`${bench.prefix}a`, never)).entry).toBeNull();
    });
  });

  describe("etcd leases", () => {
    it("have ids past 2^53 that survive every call", async () => {
      const { etcdLeaseId } = await bench.registry.grant(60, never);
      expect(etcdLeaseId).toBeGreaterThan(2n ** 53n);
      await bench.write("a", "1", 0n, etcdLeaseId);
      expect((await bench.registry.read(`${bench.prefix}a`, never)).entry?.etcdLeaseId).toBe(etcdLeaseId);
      expect(await bench.registry.keepAlive(etcdLeaseId, never)).toEqual({ ttlSeconds: 60 });
      expect(await bench.registry.keepAlive(etcdLeaseId + 1n, never)).toBeNull();
    });

    it("are never granted for less than etcd's least time, and tell the time they got", async () => {
      expect((await bench.registry.grant(1, never)).ttlSeconds).toBe(2);
      expect((await bench.registry.grant(86_400, never)).ttlSeconds).toBe(86_400);
    });

    it("have the id that is asked for, to the last digit, and are found by it", async () => {
      const wanted = 2n ** 62n + 2n ** 53n + 1n;
      expect(await bench.registry.grant(60, never, wanted)).toEqual({ etcdLeaseId: wanted, ttlSeconds: 60 });
      await bench.write("a", "1", 0n, wanted);
      expect(await bench.registry.keepAlive(wanted, never)).toEqual({ ttlSeconds: 60 });
      expect(await bench.registry.keepAlive(wanted - 1n, never)).toBeNull();
      await bench.registry.revoke(wanted, never);
      expect(await bench.registry.grant(120, never, wanted)).toEqual({
        etcdLeaseId: wanted,
        ttlSeconds: 120,
      });
    });

    it("are not granted under an id that stands, and the one that stands is left alone", async () => {
      const { etcdLeaseId } = await bench.registry.grant(60, never);
      await bench.write("a", "1", 0n, etcdLeaseId);
      expect(await codeOf(bench.registry.grant(90, never, etcdLeaseId))).toBe("ERR_REGISTRY_UNAVAILABLE");
      expect(await bench.registry.keepAlive(etcdLeaseId, never)).toEqual({ ttlSeconds: 60 });
      expect((await bench.registry.read(`${bench.prefix}a`, never)).entry?.etcdLeaseId).toBe(etcdLeaseId);
    });

    it("get different ids from the registry when 0 is asked for", async () => {
      const ids = [];
      for (let i = 0; i < 2; i++) ids.push((await bench.registry.grant(60, never, 0n)).etcdLeaseId);
      expect(new Set(ids).size).toBe(2);
      expect(ids).not.toContain(0n);
    });

    it("outlive their time while they are kept alive, and delete their keys when they are not", async () => {
      const startMs = systemClock.nowMs();
      const { etcdLeaseId, ttlSeconds } = await bench.registry.grant(2, never);
      const written = await bench.write("a", "1", 0n, etcdLeaseId);
      let renewalMs = 0;
      await eventually(async () => {
        renewalMs = systemClock.nowMs(); // not after the answer, which may come late
        expect(await bench.registry.keepAlive(etcdLeaseId, never)).toEqual({ ttlSeconds });
        return renewalMs - startMs > ttlSeconds * 1000 + 500;
      });
      expect((await bench.collect(written, 2)).map(showEvent)).toEqual([
        `put ${bench.prefix}a 1`,
        `delete ${bench.prefix}a`,
      ]);
      expect(systemClock.nowMs() - renewalMs).toBeGreaterThan(ttlSeconds * 1000 - 100);
      expect(await bench.registry.keepAlive(etcdLeaseId, never)).toBeNull();
    });

    it("delete their keys at one revision when they are revoked, and can be revoked twice", async () => {
      const { etcdLeaseId } = await bench.registry.grant(60, never);
      const last = await bench.write("b", "2", await bench.write("b", "1", 0n, etcdLeaseId), etcdLeaseId);
      await bench.write("a", "1", 0n, etcdLeaseId);
      await bench.registry.revoke(etcdLeaseId, never);
      await bench.registry.revoke(etcdLeaseId, never);
      const deletions = (await bench.collect(last + 2n, 2)).filter((event) => event.kind === "delete");
      expect(deletions.map((event) => keyOf(event))).toEqual([`${bench.prefix}a`, `${bench.prefix}b`]);
      expect(new Set(deletions.map(modRevisionOf))).toEqual(new Set([last + 2n]));
    });

    it("let go of a key that is written without them", async () => {
      const { etcdLeaseId } = await bench.registry.grant(60, never);
      await bench.write("a", "2", await bench.write("a", "1", 0n, etcdLeaseId));
      await bench.registry.revoke(etcdLeaseId, never);
      expect((await bench.registry.read(`${bench.prefix}a`, never)).entry?.etcdLeaseId).toBe(0n);
    });
  });

  describe("every call", () => {
    const calls: [string, () => Promise<unknown>][] = [
      ["read", () => bench.registry.read(`${bench.prefix}a`, never)],
      ["list", () => bench.registry.list(bench.prefix, never)],
      ["watch", () => bench.collect(1n, 1)],
      ["commit", () => bench.registry.commit(`${bench.prefix}a`, 0n, put("1"), never)],
      ["grant", () => bench.registry.grant(60, never)],
      ["keepAlive", () => bench.registry.keepAlive(1n, never)],
      ["revoke", () => bench.registry.revoke(1n, never)],
    ];

    it("fails with ERR_REGISTRY_UNAVAILABLE within the deadline while the registry is away, and works after", async () => {
      await bench.subject.whileAway(async () => {
        for (const [name, call] of calls) {
          const startMs = systemClock.nowMs();
          expect([name, await codeOf(call())]).toEqual([name, "ERR_REGISTRY_UNAVAILABLE"]);
          expect(systemClock.nowMs() - startMs).toBeLessThan(CALL_TIMEOUT_MS + 500);
        }
      });
      await eventually(() => bench.registry.list(bench.prefix, never));
    });

    it("breaks a standing watch when the registry goes away", async () => {
      const from = (await bench.revisionNow()) + 1n;
      const watch = bench.registry.watch(bench.prefix, from, never)[Symbol.asyncIterator]();
      await watch.next();
      await bench.subject.whileAway(async () => {
        expect(await codeOf(watch.next())).toBe("ERR_REGISTRY_UNAVAILABLE");
      });
    });

    it("rejects with the signal's reason when that is aborted", async () => {
      const reason = new Error("enough");
      for (const [name, call] of [
        ["read", () => bench.registry.read(`${bench.prefix}a`, AbortSignal.abort(reason))],
        ["list", () => bench.registry.list(bench.prefix, AbortSignal.abort(reason))],
        ["commit", () => bench.registry.commit(`${bench.prefix}a`, 0n, put("1"), AbortSignal.abort(reason))],
        ["grant", () => bench.registry.grant(60, AbortSignal.abort(reason))],
      ] as const) {
        await expect(call(), name).rejects.toBe(reason);
      }
    });

    it("fails after close, which can be called twice", async () => {
      await bench.registry.list(bench.prefix, never);
      await bench.registry.close();
      await bench.registry.close();
      for (const [name, call] of calls) {
        expect([name, await codeOf(call())]).toEqual([name, "ERR_REGISTRY_UNAVAILABLE"]);
      }
    });
  });

  it("leaves no handle and no timer behind", async () => {
    await bench.registry.list(bench.prefix, never);
    await bench.registry.close();
    await untilNoHandles();
    const other = bench.subject.open();
    const { etcdLeaseId } = await other.grant(60, never);
    await other.keepAlive(etcdLeaseId, never);
    await other.list(bench.prefix, never);
    for await (const batch of other.watch(bench.prefix, 1_000_000n, never)) {
      expect(batch.events).toEqual([]);
      break;
    }
    await other.close();
    await untilNoHandles();
  });
});
