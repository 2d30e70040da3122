/** What `Registry` promises of everything but its watch, on etcd and on the registry in memory. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/agent/system-clock.ts";
import { keyOf, modRevisionOf } from "../../src/subnet-lease/registry-event.ts";
import type { Registry, RegistryEvent, RegistryWrite } from "../../src/subnet-lease/registry.ts";
import { eventually } from "../support/eventually.ts";
import { REGISTRY_SUBJECTS } from "../support/registry-subjects.ts";
import type { RegistrySubject } from "../support/registry-subjects.ts";

const CALL_TIMEOUT_MS = 3_000;
const never = new AbortController().signal;

describe.each(REGISTRY_SUBJECTS)("$name", ({ start }) => {
  let subject: RegistrySubject;
  let registry: Registry;
  let prefix: string;
  let count = 0;

  beforeAll(async () => {
    subject = await start();
  });
  afterAll(() => subject.end());
  beforeEach(() => {
    registry = subject.open();
    prefix = `/test${++count}/`; // every test has its own keys: the server is shared
  });
  afterEach(() => registry.close());

  const put = (value: string, etcdLeaseId = 0n): RegistryWrite => ({ kind: "put", value, etcdLeaseId });

  async function write(name: string, value: string, expected = 0n, etcdLeaseId = 0n): Promise<bigint> {
    const result = await registry.commit(prefix + name, expected, put(value, etcdLeaseId), never);
    expect(result.committed).toBe(true);
    return result.header.revision;
  }

  async function remove(name: string, expected: bigint): Promise<bigint> {
    const result = await registry.commit(prefix + name, expected, { kind: "delete" }, never);
    expect(result.committed).toBe(true);
    return result.header.revision;
  }

  async function revisionNow(): Promise<bigint> {
    return (await registry.list(prefix, never)).header.revision;
  }

  /** Everything a watch gives, until it has brought `events` events. */
  async function collect(fromRevision: bigint, events: number): Promise<RegistryEvent[]> {
    const seen: RegistryEvent[] = [];
    for await (const batch of registry.watch(prefix, fromRevision, never)) {
      seen.push(...batch.events);
      if (seen.length >= events) break;
    }
    return seen;
  }

  const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => "no error",
      (err: unknown) => (err as { code?: unknown }).code,
    );

  const show = (event: RegistryEvent): string =>
    event.kind === "put" ? `put ${event.entry.key} ${text(event.entry.value)}` : `delete ${event.key}`;
  const text = (value: Uint8Array): string => Buffer.from(value).toString();

  describe("read", () => {
    it("gives null for a key that does not exist", async () => {
      const { entry, header } = await registry.read(`${prefix}a`, never);
      expect(entry).toBeNull();
      expect(header.revision).toBeGreaterThan(0n);
      expect(header.clusterId).toBeGreaterThan(0n);
    });

    it("gives the key with both revisions and its etcd lease", async () => {
      const { etcdLeaseId } = await registry.grant(60, never);
      const first = await write("a", "1");
      const second = await write("a", "2", first, etcdLeaseId);
      const { entry, header } = await registry.read(`${prefix}a`, never);
      expect({ ...entry, value: text(entry?.value ?? Buffer.alloc(0)) }).toEqual({
        key: `${prefix}a`,
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
      for (const name of ["b", "a/x", "a", "\u{1f980}", "\uffee"]) await write(name, name);
      await registry.commit(`${prefix.slice(0, -1)}-sibling/a`, 0n, put(""), never);
      const { entries } = await registry.list(prefix, never);
      expect(entries.map((entry) => entry.key.slice(prefix.length))).toEqual([
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
        values.map((value) => registry.commit(`${prefix}a`, 0n, put(value), never)),
      );
      const winner = values[results.findIndex((result) => result.committed)];
      const losers = results.filter((result) => !result.committed);
      expect(losers).toHaveLength(19);
      for (const { current } of losers) expect(text(current?.value ?? Buffer.alloc(0))).toBe(winner);
    });

    it("writes only over the revision it expects", async () => {
      const first = await write("a", "1");
      const second = await write("a", "2", first);
      const late = await registry.commit(`${prefix}a`, first, put("late"), never);
      expect(late).toMatchObject({ committed: false, current: { modRevision: second } });
      expect(late.header.revision).toBe(second);
      expect(text((await registry.read(`${prefix}a`, never)).entry?.value ?? Buffer.alloc(0))).toBe("2");
    });

    it("says null when the key it expects does not exist", async () => {
      expect(await registry.commit(`${prefix}a`, 7n, put("1"), never)).toMatchObject({
        committed: false,
        current: null,
      });
    });

    it("deletes, and makes nothing of deleting what does not exist", async () => {
      const first = await write("a", "1");
      expect(await remove("a", first)).toBe(first + 1n);
      expect(await remove("a", 0n)).toBe(first + 1n);
      expect((await registry.read(`${prefix}a`, never)).entry).toBeNull();
    });

    it("fails with ERR_REGISTRY_LEASE_GONE and writes nothing when the etcd lease does not exist", async () => {
      expect(await codeOf(registry.commit(`${prefix}a`, 0n, put("1", 4711n), never))).toBe(
        "ERR_REGISTRY_LEASE_GONE",
      );
      expect((await registry.read(`${prefix}a`, never)).entry).toBeNull();
    });
  });

  describe("etcd leases", () => {
    it("have ids past 2^53 that survive every call", async () => {
      const { etcdLeaseId } = await registry.grant(60, never);
      expect(etcdLeaseId).toBeGreaterThan(2n ** 53n);
      await write("a", "1", 0n, etcdLeaseId);
      expect((await registry.read(`${prefix}a`, never)).entry?.etcdLeaseId).toBe(etcdLeaseId);
      expect(await registry.keepAlive(etcdLeaseId, never)).toEqual({ ttlSeconds: 60 });
      expect(await registry.keepAlive(etcdLeaseId + 1n, never)).toBeNull();
    });

    it("are never granted for less than etcd's least time, and tell the time they got", async () => {
      expect((await registry.grant(1, never)).ttlSeconds).toBe(2);
      expect((await registry.grant(86_400, never)).ttlSeconds).toBe(86_400);
    });

    it("outlive their time while they are kept alive, and delete their keys when they are not", async () => {
      const startMs = systemClock.nowMs();
      const { etcdLeaseId, ttlSeconds } = await registry.grant(2, never);
      const written = await write("a", "1", 0n, etcdLeaseId);
      let renewedMs = 0;
      await eventually(async () => {
        expect(await registry.keepAlive(etcdLeaseId, never)).toEqual({ ttlSeconds });
        renewedMs = systemClock.nowMs();
        return renewedMs - startMs > ttlSeconds * 1000 + 500;
      });
      expect((await collect(written, 2)).map(show)).toEqual([`put ${prefix}a 1`, `delete ${prefix}a`]);
      expect(systemClock.nowMs() - renewedMs).toBeGreaterThan(ttlSeconds * 1000 - 100);
      expect(await registry.keepAlive(etcdLeaseId, never)).toBeNull();
    });

    it("delete their keys at one revision when they are revoked, and can be revoked twice", async () => {
      const { etcdLeaseId } = await registry.grant(60, never);
      const last = await write("b", "2", await write("b", "1", 0n, etcdLeaseId), etcdLeaseId);
      await write("a", "1", 0n, etcdLeaseId);
      await registry.revoke(etcdLeaseId, never);
      await registry.revoke(etcdLeaseId, never);
      const deletions = (await collect(last + 2n, 2)).filter((event) => event.kind === "delete");
      expect(deletions.map((event) => keyOf(event))).toEqual([`${prefix}a`, `${prefix}b`]);
      expect(new Set(deletions.map(modRevisionOf))).toEqual(new Set([last + 2n]));
    });

    it("let go of a key that is written without them", async () => {
      const { etcdLeaseId } = await registry.grant(60, never);
      await write("a", "2", await write("a", "1", 0n, etcdLeaseId));
      await registry.revoke(etcdLeaseId, never);
      expect((await registry.read(`${prefix}a`, never)).entry?.etcdLeaseId).toBe(0n);
    });
  });

  describe("every call", () => {
    const calls: [string, () => Promise<unknown>][] = [
      ["read", () => registry.read(`${prefix}a`, never)],
      ["list", () => registry.list(prefix, never)],
      ["watch", () => collect(1n, 1)],
      ["commit", () => registry.commit(`${prefix}a`, 0n, put("1"), never)],
      ["grant", () => registry.grant(60, never)],
      ["keepAlive", () => registry.keepAlive(1n, never)],
      ["revoke", () => registry.revoke(1n, never)],
    ];

    it("fails with ERR_REGISTRY_UNAVAILABLE within the deadline while the registry is away, and works after", async () => {
      await subject.whileAway(async () => {
        for (const [name, call] of calls) {
          const startMs = systemClock.nowMs();
          expect([name, await codeOf(call())]).toEqual([name, "ERR_REGISTRY_UNAVAILABLE"]);
          expect(systemClock.nowMs() - startMs).toBeLessThan(CALL_TIMEOUT_MS + 500);
        }
      });
      await eventually(() => registry.list(prefix, never));
    });

    it("breaks a standing watch when the registry goes away", async () => {
      const from = (await revisionNow()) + 1n;
      const watch = registry.watch(prefix, from, never)[Symbol.asyncIterator]();
      await watch.next();
      await subject.whileAway(async () => {
        expect(await codeOf(watch.next())).toBe("ERR_REGISTRY_UNAVAILABLE");
      });
    });

    it("rejects with the signal's reason when that is aborted", async () => {
      const reason = new Error("enough");
      for (const [name, call] of [
        ["read", () => registry.read(`${prefix}a`, AbortSignal.abort(reason))],
        ["list", () => registry.list(prefix, AbortSignal.abort(reason))],
        ["commit", () => registry.commit(`${prefix}a`, 0n, put("1"), AbortSignal.abort(reason))],
        ["grant", () => registry.grant(60, AbortSignal.abort(reason))],
      ] as const) {
        await expect(call(), name).rejects.toBe(reason);
      }
    });

    it("fails after close, which can be called twice", async () => {
      await registry.list(prefix, never);
      await registry.close();
      await registry.close();
      for (const [name, call] of calls) {
        expect([name, await codeOf(call())]).toEqual([name, "ERR_REGISTRY_UNAVAILABLE"]);
      }
    });
  });

  it("leaves no handle and no timer behind", async () => {
    await registry.list(prefix, never);
    await registry.close();
    const before = resources();
    const other = subject.open();
    const { etcdLeaseId } = await other.grant(60, never);
    await other.keepAlive(etcdLeaseId, never);
    await other.list(prefix, never);
    for await (const batch of other.watch(prefix, 1_000_000n, never)) {
      expect(batch.events).toEqual([]);
      break;
    }
    await other.close();
    await eventually(() => expect(resources()).toEqual(before));
  });
});

/** Sockets and timers that keep the process alive. */
function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => name !== "FSReqCallback" && name !== "Immediate" && !name.startsWith("Pipe"))
    .sort();
}
