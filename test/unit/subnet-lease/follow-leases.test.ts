import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LeaseFollower } from "../../../src/subnet-lease/follow-leases.ts";
import { MAX_LEASES } from "../../../src/subnet-lease/lease-table.ts";
import type { LeaseView } from "../../../src/subnet-lease/lease.ts";
import { MemoryRegistry } from "../../../src/subnet-lease/memory-registry.ts";
import type { Registry } from "../../../src/subnet-lease/registry.ts";
import { delegateTo } from "../../support/delegate-registry.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordLog } from "../../support/log-lines.ts";
import type { LogLine } from "../../support/log-lines.ts";

const PREFIX = "/coreos.com/network";
const MINUTE_MS = 60_000;
const AUDIT_EVERY_MS = 5 * MINUTE_MS;

const never = new AbortController().signal;
const key = (name: string): string => `${PREFIX}/subnets/${name}`;
const value = (host: number): string => `{"PublicIP":"192.0.2.${host}","PublicIPv6":null}`;

describe("LeaseFollower", () => {
  let clock: FakeClock;
  let registry: MemoryRegistry;
  let follower: LeaseFollower;
  let running: Promise<void>;
  let views: LeaseView[];
  let lines: LogLine[];
  let stop: AbortController;
  let lists: number[];
  let listsInFlight: number;
  let mostListsInFlight: number;

  beforeEach(() => {
    clock = new FakeClock();
    registry = new MemoryRegistry(clock);
    [views, lists, listsInFlight, mostListsInFlight] = [[], [], 0, 0];
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await running.catch(() => undefined);
    await registry.close();
  });

  /** The registry, with the times of its lists written down. */
  function observed(): Registry {
    return delegateTo(registry, {
      list: async (...args) => {
        lists.push(clock.nowMs());
        mostListsInFlight = Math.max(mostListsInFlight, ++listsInFlight);
        try {
          return await registry.list(...args);
        } finally {
          listsInFlight--;
        }
      },
    });
  }

  async function follow(onView: (view: LeaseView) => void = (view) => views.push(view)): Promise<void> {
    const recorded = recordLog();
    lines = recorded.lines;
    follower = new LeaseFollower({
      registry: observed(),
      prefix: PREFIX,
      clock,
      random: () => 0.5,
      log: recorded.log,
      onView,
      signal: stop.signal,
    });
    running = follower.run();
    running.catch(() => undefined); // a test that expects a rejection awaits it later
    await clock.advance(0);
  }

  /** Writes as an operator does: whatever is there. */
  async function write(name: string, text: string): Promise<void> {
    const { entry } = await registry.read(key(name), never);
    const write = { kind: "put", value: text, etcdLeaseId: 0n } as const;
    await registry.commit(key(name), entry?.modRevision ?? 0n, write, never);
    await clock.advance(0);
  }

  async function remove(name: string): Promise<void> {
    const { entry } = await registry.read(key(name), never);
    await registry.commit(key(name), entry?.modRevision ?? 0n, { kind: "delete" }, never);
    await clock.advance(0);
  }

  const lastView = (): string[] =>
    (views.at(-1)?.leases ?? []).map(
      ({ subnet, attributes }) => `${subnet.toString()} ${attributes.underlayIp.toString()}`,
    );
  const messages = (level: LogLine["level"]): string[] =>
    lines.filter((line) => line.level === level).map((line) => line.msg);
  /** How many rejections the lines tell of, each for itself or in a summary. */
  const toldOf = (told: readonly LogLine[]): number =>
    told.reduce((sum, { keys = { one: 1 } }) => {
      const counts = Object.values(keys as Record<string, number>);
      return sum + counts.reduce((a, b) => a + b, 0);
    }, 0);
  /** Lines an operator sees. */
  const shown = (): LogLine[] => lines.filter((line) => line.level !== "debug");

  it("gives the whole view after the list, and a new one after every change", async () => {
    await write("10.244.1.0-24", value(1));
    await follow();
    expect(lastView()).toEqual(["10.244.1.0/24 192.0.2.1"]);
    await write("10.244.2.0-24", value(2));
    expect(lastView()).toEqual(["10.244.1.0/24 192.0.2.1", "10.244.2.0/24 192.0.2.2"]);
    await write("10.244.2.0-24", value(3));
    expect(lastView()).toEqual(["10.244.1.0/24 192.0.2.1", "10.244.2.0/24 192.0.2.3"]);
    await remove("10.244.1.0-24");
    expect(lastView()).toEqual(["10.244.2.0/24 192.0.2.3"]);
    expect(views.map((view) => view.revision)).toEqual([2n, 3n, 4n, 5n]);
    expect(lists).toHaveLength(1);
  });

  it("gives an empty view of an empty registry, and none before the first list", async () => {
    registry.setAvailable(false);
    await follow();
    await clock.advance(MINUTE_MS);
    expect(views).toEqual([]);
    expect(follower.status).toMatchObject({
      isConnected: false,
      lastContactMs: null,
      revision: null,
      clusterId: null,
    });
    registry.setAvailable(true);
    await clock.advance(4_000);
    expect(views).toHaveLength(1);
    expect(lastView()).toEqual([]);
  });

  it("takes no key of a sibling for a lease", async () => {
    await registry.commit(
      `${PREFIX}/subnets-old/10.244.1.0-24`,
      0n,
      { kind: "put", value: value(1), etcdLeaseId: 0n },
      never,
    );
    await follow();
    expect(lastView()).toEqual([]);
    expect(follower.status.rejected).toEqual({});
  });

  it("tells how it goes", async () => {
    await write("10.244.1.0-24", value(1));
    await write("rubbish", "");
    await follow();
    const { clusterId } = (await registry.list("/", never)).header;
    expect(follower.status).toEqual({
      isConnected: true,
      lastContactMs: 0,
      revision: 3n,
      clusterId,
      relists: 0,
      drift: 0,
      rejected: { badKey: 1 },
    });
    await clock.advance(7_000);
    await write("10.244.2.0-24", value(2));
    expect(follower.status).toMatchObject({ lastContactMs: 7_000, revision: 4n });
    registry.setAvailable(false);
    await clock.advance(10_000);
    expect(follower.status).toMatchObject({ isConnected: false, lastContactMs: 7_000, revision: 4n });
  });

  describe("a break of the watch", () => {
    it("is followed by one list within 100 ms, which brings what was missed", async () => {
      await write("10.244.1.0-24", value(1));
      await follow();
      await clock.advance(10_000);
      registry.dropWatches();
      await write("10.244.2.0-24", value(2));
      await remove("10.244.1.0-24");
      await clock.advance(100);
      expect(lastView()).toEqual(["10.244.2.0/24 192.0.2.2"]);
      expect(follower.status).toMatchObject({ isConnected: true, relists: 1 });
      await clock.advance(MINUTE_MS);
      expect(lists).toHaveLength(2);
      expect(shown().map((line) => line.msg)).toEqual([
        "Lost contact with the registry, keeping the leases as they are",
        "Back in step with the registry",
      ]);
    });

    it("that is due to a compaction is one more list, not a loop", async () => {
      await follow();
      await clock.advance(10_000);
      registry.setAvailable(false);
      registry.setAvailable(true);
      await write("10.244.1.0-24", value(1));
      await write("10.244.1.0-24", value(2));
      registry.compact(3n);
      await clock.advance(MINUTE_MS);
      expect(lastView()).toEqual(["10.244.1.0/24 192.0.2.2"]);
      expect(lists).toHaveLength(2);
      expect(shown()).toHaveLength(2);
    });

    it("again and again makes it wait longer, and fills no log", async () => {
      await follow();
      for (let i = 0; i < 600; i++) {
        registry.dropWatches();
        await clock.advance(100);
      }
      expect(lists.length).toBeLessThan(30);
      expect(shown().length).toBeLessThanOrEqual(10);
      await clock.advance(10_000);
      expect(follower.status.isConnected).toBe(true);
      expect(clock.sleeping).toBe(1); // the next periodic list, and none that an earlier watch had planned
      const before = lists.length;
      registry.dropWatches(); // after a while of peace the first retry is quick again
      await clock.advance(100);
      expect(lists).toHaveLength(before + 1);
    });
  });

  describe("while the registry is away", () => {
    beforeEach(async () => {
      await write("10.244.1.0-24", value(1));
      await follow();
      await clock.advance(10_000);
      registry.setAvailable(false);
    });

    it("keeps the view, asks ever more rarely, and is back within 4 s of its return", async () => {
      await clock.advance(10 * MINUTE_MS);
      expect(views).toHaveLength(1);
      expect(lists.length).toBeLessThan(10 * 30);
      const gaps = lists.slice(1).map((at, i) => at - (lists[i] ?? 0));
      expect(gaps.slice(1, 8)).toEqual([150, 300, 600, 1_200, 2_400, 3_000, 3_000]);
      registry.setAvailable(true);
      await write("10.244.2.0-24", value(2));
      await clock.advance(4_000);
      expect(lastView()).toEqual(["10.244.1.0/24 192.0.2.1", "10.244.2.0/24 192.0.2.2"]);
      expect(follower.status).toMatchObject({ isConnected: true, relists: 1 });
    });

    it("writes one line, then one a minute, then one with the length of the outage", async () => {
      await clock.advance(10 * MINUTE_MS);
      expect(messages("warn")).toEqual([
        "Lost contact with the registry, keeping the leases as they are",
        ...Array.from({ length: 9 }, () => "Still no contact with the registry"),
      ]);
      registry.setAvailable(true);
      await clock.advance(4_000);
      const back = lines.find((line) => line.msg === "Back in step with the registry");
      expect(back).toMatchObject({ level: "info", relists: 1 });
      expect(back?.outageMs).toBeGreaterThanOrEqual(10 * MINUTE_MS);
      expect(back?.outageMs).toBeLessThan(10 * MINUTE_MS + 4_000);
    });
  });

  it("says so when the registry denies access, and goes on trying", async () => {
    registry.setDenied(true);
    await follow();
    await clock.advance(MINUTE_MS - 1);
    expect(messages("error")).toEqual(["The registry denies access to the leases, will retry"]);
    registry.setDenied(false);
    await clock.advance(4_000);
    expect(views).toHaveLength(1);
  });

  it("takes what a registry holds that was wiped, under its own cluster and revision, and says so", async () => {
    await write("10.244.1.0-24", value(1));
    await write("10.244.2.0-24", value(2));
    await follow();
    const before = views[0]?.clusterId ?? 0n;
    registry.wipe();
    await write("10.244.3.0-24", value(3));
    await clock.advance(4_000);
    expect(lastView()).toEqual(["10.244.3.0/24 192.0.2.3"]);
    expect(views.at(-1)).toMatchObject({ revision: 2n, clusterId: before + 1n });
    expect(messages("warn")).toContain(
      "The registry was replaced or set back, taking its leases as they are now",
    );
  });

  it("is not misled by events that come twice, late or out of order", async () => {
    await write("10.244.1.0-24", value(1));
    const { entry: old } = await registry.read(key("10.244.1.0-24"), never);
    await follow();
    await write("10.244.1.0-24", value(2));
    await remove("10.244.1.0-24");
    await write("10.244.2.0-24", value(3));
    const seen = views.length;
    if (old === null) throw new Error("The key that was just written does not exist");
    registry.injectEvents([
      { kind: "put", entry: old },
      { kind: "put", entry: { ...old, modRevision: 3n } },
      { kind: "delete", key: key("10.244.1.0-24"), modRevision: 4n },
      { kind: "delete", key: key("10.244.2.0-24"), modRevision: 4n },
    ]);
    await clock.advance(0);
    expect(lastView()).toEqual(["10.244.2.0/24 192.0.2.3"]);
    expect(views).toHaveLength(seen);
  });

  describe("the periodic full list", () => {
    it("finds nothing when the watch has told everything, and breaks nothing", async () => {
      await follow();
      for (let i = 1; i <= 61; i++) {
        await clock.advance(MINUTE_MS / 2);
        await write(`10.244.${i}.0-24`, value(i));
      }
      expect(lists).toHaveLength(1 + 6); // in half an hour
      expect(follower.status).toMatchObject({ drift: 0, relists: 0 });
      expect(shown()).toEqual([]);
    });

    it("finds and counts what a watch has not told", async () => {
      await write("10.244.1.0-24", value(1));
      await write("10.244.2.0-24", value(2));
      await follow();
      registry.setMute(true);
      await write("10.244.1.0-24", value(9));
      await remove("10.244.2.0-24");
      await write("10.244.3.0-24", value(3));
      registry.setMute(false);
      await clock.advance(AUDIT_EVERY_MS * 1.1 + 2_000);
      expect(lastView()).toEqual(["10.244.1.0/24 192.0.2.9", "10.244.3.0/24 192.0.2.3"]);
      expect(follower.status).toMatchObject({ drift: 3, relists: 0, isConnected: true });
      expect(shown()).toMatchObject([{ level: "warn", keys: 3 }]);
    });

    it("waits for events that are late before it calls them missed", async () => {
      await follow();
      registry.setMute(true);
      await write("10.244.1.0-24", value(1));
      await clock.advance(AUDIT_EVERY_MS + 1_000);
      expect(lists).toHaveLength(2);
      const { entry } = await registry.read(key("10.244.1.0-24"), never);
      if (entry === null) throw new Error("The key that was just written does not exist");
      registry.injectEvents([{ kind: "put", entry }]);
      await clock.advance(10_000);
      expect(lastView()).toEqual(["10.244.1.0/24 192.0.2.1"]);
      expect(follower.status.drift).toBe(0);
    });

    it("that fails leads to a new start", async () => {
      await follow();
      await clock.advance(AUDIT_EVERY_MS - 1);
      registry.setAvailable(false);
      registry.setAvailable(true);
      await clock.advance(2 * AUDIT_EVERY_MS);
      expect(follower.status).toMatchObject({ isConnected: true, relists: 1 });
    });

    it("never runs beside another list", async () => {
      await follow();
      for (let i = 0; i < 300; i++) {
        await clock.advance(7_001);
        if (i % 50 === 49) registry.dropWatches();
      }
      expect(lists.length).toBeGreaterThan(10);
      expect(mostListsInFlight).toBe(1);
    });
  });

  describe("rubbish in the registry", () => {
    it("is logged once for each write, with the key made harmless", async () => {
      await write("10.244.1.0-24", "{");
      await write("evil\n\u001b[31m", value(1));
      await follow();
      registry.dropWatches();
      await clock.advance(4_000);
      expect(lines.filter((line) => line.msg === "Lease rejected")).toMatchObject([
        { level: "warn", key: key("10.244.1.0-24"), modRevision: "2", reason: "badValue" },
        { level: "warn", key: key("evil\\u000a\\u001b[31m"), modRevision: "3", reason: "badKey" },
      ]);
      await write("10.244.1.0-24", "[");
      expect(lines.filter((line) => line.msg === "Lease rejected")).toHaveLength(3);
    });

    it("of 10,000 keys makes a few lines and takes little time", async () => {
      await write("10.244.1.0-24", value(1));
      await follow();
      const cpu = process.cpuUsage();
      for (let i = 0; i < 10_000; i++) {
        const write = { kind: "put", value: "{".repeat(100), etcdLeaseId: 0n } as const;
        await registry.commit(
          key(i % 2 === 0 ? `bad ${i}` : `10.${i >> 8}.${i & 255}.0-24`),
          0n,
          write,
          never,
        );
        if (i % 100 === 99) await clock.advance(10);
      }
      registry.dropWatches();
      await clock.advance(4_000);
      const { user, system } = process.cpuUsage(cpu);
      expect(user + system).toBeLessThan(3_000_000); // microseconds; measured 0.3 s
      expect(follower.status.rejected).toEqual({ badKey: 5_000, badValue: 5_000 });
      expect(shown().length).toBeLessThanOrEqual(6); // of them two on the watch
      await clock.advance(MINUTE_MS);
      const rejections = shown().filter((line) => line.msg.endsWith("rejected"));
      expect(toldOf(rejections)).toBe(10_000);
      expect(lastView()).toEqual(["10.244.1.0/24 192.0.2.1"]);
    });

    it("that goes on and on makes at most four lines a minute, and every write is told of once", async () => {
      const writes = 3 * 600 - 1; // ten a second, until just before the fourth minute
      await follow();
      let revision = 0n;
      for (let i = 0; i < writes; i++) {
        const write = { kind: "put", value: `{ ${i}`, etcdLeaseId: 0n } as const;
        revision = (await registry.commit(key("10.244.1.0-24"), revision, write, never)).header.revision;
        await clock.advance(100);
      }
      expect(shown()).toHaveLength(3 * 4);
      expect(toldOf(shown())).toBeLessThan(writes);
      await clock.advance(MINUTE_MS); // nothing more is written: the last ones are summed up in time
      expect(toldOf(shown())).toBe(writes);
      await clock.advance(10 * MINUTE_MS);
      expect(shown()).toHaveLength(3 * 4 + 1);
    });

    it("is summed up at the end, if the window is not over then", async () => {
      await follow();
      for (let i = 0; i < 10; i++) await write("10.244.1.0-24", `{ ${i}`);
      expect(toldOf(shown())).toBe(4);
      stop.abort();
      await running;
      await clock.advance(0);
      expect(toldOf(shown())).toBe(10);
      expect(clock.sleeping).toBe(0);
    });

    it("of too many leases, over and over, raises one alarm a minute, the last one while it lasts", async () => {
      const names = Array.from({ length: MAX_LEASES }, (_, i) => `10.${i >> 8}.${i & 255}.0-24`);
      const put = { kind: "put", value: value(1), etcdLeaseId: 0n } as const;
      for (const name of names) await registry.commit(key(name), 0n, put, never);
      await follow();
      for (let i = 0; i < 5; i++) {
        await write("10.200.0.0-24", value(2));
        await remove("10.200.0.0-24");
      }
      await write("10.200.0.0-24", value(2));
      expect(messages("error")).toHaveLength(1);
      await clock.advance(MINUTE_MS);
      await write("10.200.0.0-24", value(3));
      await write("10.200.0.0-24", value(4));
      expect(messages("error")).toHaveLength(2);
    });

    it("of too many leases raises one alarm and displaces no older lease", async () => {
      await write("10.9.0.0-24", value(1));
      await follow();
      for (let i = 0; i < MAX_LEASES + 2; i++) {
        const write = { kind: "put", value: value(2), etcdLeaseId: 0n } as const;
        await registry.commit(key(`10.${10 + (i >> 8)}.${i & 255}.0-24`), 0n, write, never);
        if (i % 500 === 0) await clock.advance(1);
      }
      await clock.advance(0);
      expect(views.at(-1)?.leases).toHaveLength(MAX_LEASES);
      expect(lastView()[0]).toBe("10.9.0.0/24 192.0.2.1");
      expect(follower.status.rejected).toEqual({ overLimit: 3 });
      expect(messages("error")).toEqual(["Too many leases in the registry, leaving out the newest"]);
    });
  });

  it("ends when the signal is aborted, wherever it is, and leaves nothing waiting", async () => {
    for (const advanceMs of [0, 10_000, AUDIT_EVERY_MS + 1_000]) {
      await follow();
      await clock.advance(advanceMs);
      stop.abort();
      await running;
      expect([clock.sleeping, registry.watchCount]).toEqual([0, 0]);
      expect(follower.status.isConnected).toBe(false);
      stop = new AbortController();
    }
    registry.setAvailable(false);
    await follow();
    await clock.advance(10_000);
    stop.abort();
    await running;
    expect(clock.sleeping).toBe(0);
  });

  it("rejects with what onView throws: that is no outage", async () => {
    const fault = new Error("fault of the program");
    await follow(() => {
      throw fault;
    });
    await expect(running).rejects.toBe(fault);
    expect([clock.sleeping, registry.watchCount]).toEqual([0, 0]);
  });

  it("rejects with what onView throws after a periodic list, too", async () => {
    const fault = new Error("fault of the program");
    await follow((view) => {
      if (view.leases.length > 0) throw fault;
    });
    registry.setMute(true);
    await write("10.244.1.0-24", value(1));
    await clock.advance(AUDIT_EVERY_MS * 1.1 + 2_000);
    await expect(running).rejects.toBe(fault);
    expect([clock.sleeping, registry.watchCount]).toEqual([0, 0]);
  });
});
