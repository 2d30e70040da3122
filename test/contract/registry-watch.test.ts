/** What `Registry.watch` promises, on etcd and on the registry in memory. */
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { modRevisionOf } from "../../src/subnet-lease/registry-event.ts";
import type { Registry, RegistryEvent, RegistryWrite, WatchBatch } from "../../src/subnet-lease/registry.ts";
import { REGISTRY_SUBJECTS } from "../support/registry-subjects.ts";
import type { RegistrySubject } from "../support/registry-subjects.ts";

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

  describe("watch", () => {
    it("gives an item without events first, when the watch stands", async () => {
      const from = await write("a", "1");
      const batches: WatchBatch[] = [];
      for await (const batch of registry.watch(prefix, from, never)) {
        batches.push(batch);
        if (batches.length === 2) break;
      }
      expect(batches.map((batch) => batch.events.map(show))).toEqual([[], [`put ${prefix}a 1`]]);
      expect(batches[0]?.header.revision).toBe(from);
    });

    it("gives every event under the prefix from the revision on, in order, past and future", async () => {
      await write("before", "0");
      const from = await write("a", "1");
      await remove("a", await write("a", "2", from));
      const seen: RegistryEvent[] = [];
      for await (const { events } of registry.watch(prefix, from, never)) {
        seen.push(...events);
        if (seen.length === 3) {
          await registry.commit("/elsewhere/a", 0n, put(""), never);
          await write("b", "3");
        }
        if (seen.length === 4) break;
      }
      expect(seen.map(show)).toEqual([
        `put ${prefix}a 1`,
        `put ${prefix}a 2`,
        `delete ${prefix}a`,
        `put ${prefix}b 3`,
      ]);
      const revisions = seen.map(modRevisionOf);
      expect(revisions).toEqual([...revisions].sort((a, b) => Number(a - b)));
      expect(revisions[0]).toBe(from);
    });

    it("resumes without a gap from any revision", async () => {
      const revisions: bigint[] = [];
      for (const value of ["1", "2", "3", "4"]) revisions.push(await write(value, value));
      for (const [i, revision] of revisions.entries()) {
        expect((await collect(revision, revisions.length - i)).map(modRevisionOf)).toEqual(
          revisions.slice(i),
        );
      }
    });

    it("gives no event from before a start in the future", async () => {
      const now = await write("a", "1");
      const seen: RegistryEvent[] = [];
      for await (const { events } of registry.watch(prefix, now + 2n, never)) {
        seen.push(...events);
        if (seen.length > 0) break;
        await write("b", "early");
        await write("c", "in time");
      }
      expect(seen.map(show)).toEqual([`put ${prefix}c in time`]);
    });

    it("fails with ERR_REGISTRY_COMPACTED when the history from there is gone", async () => {
      const first = await write("a", "1");
      const second = await write("a", "2", first);
      await subject.compact(second);
      expect(await codeOf(collect(first, 1))).toBe("ERR_REGISTRY_COMPACTED");
      expect((await collect(second, 1)).map(show)).toEqual([`put ${prefix}a 2`]);
    });

    it("ends without an error when the signal is aborted, before or while it stands", async () => {
      const aborted = AbortSignal.abort();
      for await (const batch of registry.watch(prefix, 1n, aborted)) expect(batch).toBe("nothing");
      const stop = new AbortController();
      for await (const batch of registry.watch(prefix, (await revisionNow()) + 1n, stop.signal)) {
        expect(batch.events).toEqual([]);
        stop.abort();
      }
    });

    it("ends at once when the signal is aborted while it waits", async () => {
      const stop = new AbortController();
      const batches = registry.watch(prefix, (await revisionNow()) + 1n, stop.signal)[Symbol.asyncIterator]();
      await batches.next();
      const waiting = batches.next();
      await turn();
      stop.abort();
      expect(await waiting).toEqual({ done: true, value: undefined });
    });

    it("refuses revision 0, which etcd would take for now", async () => {
      await expect(collect(0n, 1)).rejects.toThrow(RangeError);
    });

    it("fails when the registry is closed", async () => {
      const from = (await revisionNow()) + 1n;
      const watching = (async () => {
        for await (const batch of registry.watch(prefix, from, never)) {
          expect(batch.events).toEqual([]);
          void registry.close();
        }
      })();
      expect(await codeOf(watching)).toBe("ERR_REGISTRY_UNAVAILABLE");
    });
  });
});
