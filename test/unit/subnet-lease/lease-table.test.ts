import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeaseTable, MAX_LEASES } from "../../../src/subnet-lease/lease-table.ts";
import { keyOf, modRevisionOf } from "../../../src/subnet-lease/registry-event.ts";
import type { RegistryEntry, RegistryEvent, RegistryHeader } from "../../../src/subnet-lease/registry.ts";

const PREFIX = "/coreos.com/network";

/** The key of 10.244.`n`.0/24, or any other text under the lease prefix. */
const key = (n: number | string): string =>
  `${PREFIX}/subnets/${typeof n === "number" ? `10.244.${n}.0-24` : n}`;

/** A lease value whose underlay address tells the values apart. */
const value = (host: number): string => `{"PublicIP":"192.0.2.${host}","PublicIPv6":null}`;

function entry(
  n: number | string,
  modRevision: number,
  text = value(modRevision),
  createRevision = 1,
): RegistryEntry {
  return {
    key: key(n),
    value: Buffer.from(text),
    createRevision: BigInt(createRevision),
    modRevision: BigInt(modRevision),
    etcdLeaseId: 77n,
  };
}

const put = (...args: Parameters<typeof entry>): RegistryEvent => ({ kind: "put", entry: entry(...args) });
const del = (n: number | string, modRevision: number): RegistryEvent => ({
  kind: "delete",
  key: key(n),
  modRevision: BigInt(modRevision),
});
const at = (revision: number, clusterId = 1): RegistryHeader => ({
  revision: BigInt(revision),
  clusterId: BigInt(clusterId),
});

/** `subnet underlay-address` of every lease in the view. */
const leasesOf = (table: LeaseTable): string[] =>
  table
    .view()
    .leases.map(({ subnet, attributes }) => `${subnet.toString()} ${attributes.underlayIp.toString()}`);

function tableWith(entries: RegistryEntry[], header: RegistryHeader): LeaseTable {
  const table = new LeaseTable(PREFIX);
  table.replace(entries, header);
  return table;
}

describe("LeaseTable", () => {
  it("reads a list into leases in the order of their subnets, with revision and cluster", () => {
    const table = tableWith([entry(10, 3), entry(2, 9)], at(12, 7));
    expect(leasesOf(table)).toEqual(["10.244.2.0/24 192.0.2.9", "10.244.10.0/24 192.0.2.3"]);
    expect(table.view()).toMatchObject({ revision: 12n, clusterId: 7n });
    expect(table.view().leases[0]).toMatchObject({ createRevision: 1n, revision: 9n, etcdLeaseId: 77n });
  });

  it.each<{ name: string; events: RegistryEvent[]; leases: string[]; changes: number; revision: bigint }>([
    {
      name: "adds a new key",
      events: [put(2, 11)],
      leases: ["10.244.1.0/24 192.0.2.5", "10.244.2.0/24 192.0.2.11"],
      changes: 1,
      revision: 11n,
    },
    {
      name: "takes a newer value",
      events: [put(1, 11)],
      leases: ["10.244.1.0/24 192.0.2.11"],
      changes: 1,
      revision: 11n,
    },
    { name: "removes a deleted key", events: [del(1, 11)], leases: [], changes: 1, revision: 11n },
    {
      name: "applies events in their order",
      events: [put(1, 11), del(1, 12), put(1, 13)],
      leases: ["10.244.1.0/24 192.0.2.13"],
      changes: 3,
      revision: 13n,
    },
    {
      name: "ignores an event that comes twice",
      events: [put(1, 11), put(1, 11)],
      leases: ["10.244.1.0/24 192.0.2.11"],
      changes: 1,
      revision: 11n,
    },
    {
      name: "ignores an older value that comes late",
      events: [put(1, 12), put(1, 11)],
      leases: ["10.244.1.0/24 192.0.2.12"],
      changes: 1,
      revision: 12n,
    },
    {
      name: "ignores a deletion that comes after a newer value",
      events: [put(1, 12), del(1, 11)],
      leases: ["10.244.1.0/24 192.0.2.12"],
      changes: 1,
      revision: 12n,
    },
    {
      name: "ignores a value that comes after its deletion",
      events: [del(1, 12), put(1, 11)],
      leases: [],
      changes: 1,
      revision: 12n,
    },
    {
      name: "ignores events from before the list, also for keys that the list does not have",
      events: [put(2, 9), del(1, 10), put(1, 4)],
      leases: ["10.244.1.0/24 192.0.2.5"],
      changes: 0,
      revision: 10n,
    },
    {
      name: "remembers the deletion of a key it never saw",
      events: [del(2, 12), put(2, 11)],
      leases: ["10.244.1.0/24 192.0.2.5"],
      changes: 1,
      revision: 12n,
    },
  ])("$name", ({ events, leases, changes, revision }) => {
    const table = tableWith([entry(1, 5)], at(10));
    expect(table.apply(events).changes).toBe(changes);
    expect(leasesOf(table)).toEqual(leases);
    expect(table.view().revision).toBe(revision);
  });

  it("removes what a later list no longer has, and takes what has changed", () => {
    const table = tableWith([entry(1, 5), entry(2, 6), entry(3, 7)], at(10));
    expect(table.replace([entry(1, 5), entry(2, 15)], at(20)).changes).toBe(2);
    expect(leasesOf(table)).toEqual(["10.244.1.0/24 192.0.2.5", "10.244.2.0/24 192.0.2.15"]);
  });

  it.each([
    { name: "of another cluster", header: at(50, 2), n: 4 },
    { name: "of an earlier revision", header: at(8), n: 4 },
    { name: "with an older write of a key it knows", header: at(50), n: 2 },
  ])("takes a list $name as it is, and says that it is another history", ({ header, n }) => {
    const table = tableWith([entry(1, 5), entry(2, 10)], at(10));
    table.apply([del(3, 40)]);
    expect(table.replace([entry(n, 3)], header).isOtherHistory).toBe(true);
    expect(leasesOf(table)).toEqual([`10.244.${n}.0/24 192.0.2.3`]);
    expect(table.view()).toMatchObject(header);
    const next = Number(header.revision) + 1;
    table.apply([put(3, next)]);
    expect(leasesOf(table)).toContain(`10.244.3.0/24 192.0.2.${next}`);
  });

  it("keeps nothing of a lease of another history when its value cannot be read", () => {
    const table = tableWith([entry(1, 5)], at(10));
    table.replace([entry(1, 7, "{}")], at(12, 2));
    expect(leasesOf(table)).toEqual([]);
  });

  it("knows a list of its own history", () => {
    const table = new LeaseTable(PREFIX);
    expect(table.replace([entry(1, 5)], at(10)).isOtherHistory).toBe(false);
    expect(table.replace([entry(1, 5)], at(10)).isOtherHistory).toBe(false);
    table.apply([del(1, 11)]);
    expect(table.replace([entry(1, 12)], at(12)).isOtherHistory).toBe(false);
  });

  describe("what cannot be read", () => {
    it("is rejected whole and told once for each write", () => {
      const table = new LeaseTable(PREFIX);
      const list = [entry("x10.244.1.0-24", 4), entry(2, 5, "{"), entry(3, 6)];
      expect(table.replace(list, at(10)).rejections).toEqual([
        {
          key: key("x10.244.1.0-24"),
          modRevision: 4n,
          reason: "badKey",
          detail: "it is not the name of a lease",
        },
        { key: key(2), modRevision: 5n, reason: "badValue", detail: "it is not JSON in UTF-8" },
      ]);
      expect(leasesOf(table)).toEqual(["10.244.3.0/24 192.0.2.6"]);
      expect(table.replace(list, at(11)).rejections).toEqual([]);
      expect(table.apply([put(2, 12, "[")]).rejections).toMatchObject([{ key: key(2), modRevision: 12n }]);
      expect(table.rejected()).toEqual({ badKey: 1, badValue: 1 });
    });

    it("does not take away the lease that stood under the key", () => {
      const table = tableWith([entry(1, 5)], at(10));
      table.apply([put(1, 11, "{}")]);
      expect(leasesOf(table)).toEqual(["10.244.1.0/24 192.0.2.5"]);
      table.replace([entry(1, 11, "{}")], at(12));
      expect(leasesOf(table)).toEqual(["10.244.1.0/24 192.0.2.5"]);
      expect(table.rejected()).toEqual({ badValue: 1 });
      table.apply([put(1, 13)]);
      expect(leasesOf(table)).toEqual(["10.244.1.0/24 192.0.2.13"]);
      expect(table.rejected()).toEqual({});
    });

    it("takes it away when the key was deleted and made anew", () => {
      const table = tableWith([entry(1, 5)], at(10));
      table.replace([entry(1, 11, "{}", 11)], at(12));
      expect(leasesOf(table)).toEqual([]);
    });

    it("has the lease removed when the key is deleted", () => {
      const table = tableWith([entry(1, 5)], at(10));
      table.apply([put(1, 11, "{}"), del(1, 12)]);
      expect(leasesOf(table)).toEqual([]);
      expect(table.rejected()).toEqual({});
    });

    it("may be called like a member of Object.prototype", () => {
      const table = tableWith([entry("__proto__", 5), entry("constructor", 6), entry(1, 7)], at(10));
      expect(leasesOf(table)).toEqual(["10.244.1.0/24 192.0.2.7"]);
      expect(table.rejected()).toEqual({ badKey: 2 });
    });

    it("is a value of more than 4 KiB", () => {
      const long = `{"PublicIP":"192.0.2.1","Padding":"${"x".repeat(4096)}"}`;
      expect(tableWith([entry(1, 5, long)], at(10)).rejected()).toEqual({ badValue: 1 });
    });
  });

  it("leaves out the newest claims past the limit, whatever their subnets", () => {
    const many = Array.from({ length: MAX_LEASES + 2 }, (_, i) =>
      entry(`10.${10 + (i >> 8)}.${i & 255}.0-24`, i + 1, value(1), MAX_LEASES + 10 - i),
    );
    const table = tableWith(many, at(MAX_LEASES + 10));
    expect(table.view().leases).toHaveLength(MAX_LEASES);
    expect(table.leftOut).toBe(2);
    expect(table.rejected()).toEqual({ overLimit: 2 });
    expect(table.view().leases[0]?.subnet.toString()).toBe("10.10.2.0/24"); // the first two were made last
  });

  describe("audit", () => {
    it("finds nothing when the events have told everything, even more than the list", () => {
      const table = tableWith([entry(1, 5), entry(2, 6)], at(10));
      table.apply([put(3, 11), del(2, 12), put(1, 14), del(3, 15)]);
      const list = [entry(1, 5), entry(3, 11)]; // as of revision 13
      expect(table.audit(list, at(13)).changes).toBe(0);
      expect(leasesOf(table)).toEqual(["10.244.1.0/24 192.0.2.14"]);
    });

    it("mends and counts a missed value, a missed key and a missed deletion", () => {
      const table = tableWith([entry(1, 5), entry(2, 6), entry(4, 7)], at(10));
      expect(table.audit([entry(1, 11), entry(3, 12), entry(4, 7)], at(13)).changes).toBe(3);
      expect(leasesOf(table)).toEqual([
        "10.244.1.0/24 192.0.2.11",
        "10.244.3.0/24 192.0.2.12",
        "10.244.4.0/24 192.0.2.7",
      ]);
    });

    it("believes no list of another cluster", () => {
      const table = tableWith([entry(1, 5)], at(10));
      expect(table.audit([], at(20, 2)).changes).toBe(0);
      expect(leasesOf(table)).toEqual(["10.244.1.0/24 192.0.2.5"]);
    });
  });

  it("stays right when more keys are deleted than it remembers one by one", () => {
    const table = tableWith([], at(10));
    const gone = Array.from({ length: 12_000 }, (_, i) => del(`10.${10 + (i >> 8)}.${i & 255}.0-24`, 11 + i));
    table.apply(gone);
    expect(table.apply([put("10.10.0.0-24", 10), put("10.10.1.0-24", 11)]).changes).toBe(0);
    expect(table.apply([put("10.10.0.0-24", 20_000)]).changes).toBe(1);
  });

  describe("against a naive model", () => {
    /** A history of one registry: at revision i + 2 this happened to one of four keys. */
    const history = fc.array(fc.record({ n: fc.integer({ min: 1, max: 4 }), isDelete: fc.boolean() }), {
      minLength: 1,
      maxLength: 30,
    });

    const eventsOf = (steps: readonly { n: number; isDelete: boolean }[]): RegistryEvent[] =>
      steps.map(({ n, isDelete }, i) => (isDelete ? del(n, i + 2) : put(n, i + 2)));

    /** What etcd holds at `revision`. */
    function stateAt(events: readonly RegistryEvent[], revision: number): RegistryEntry[] {
      const state = new Map<string, RegistryEntry>();
      for (const event of events.slice(0, Math.max(0, revision - 1))) {
        if (event.kind === "put") state.set(keyOf(event), event.entry);
        else state.delete(keyOf(event));
      }
      return [...state.values()];
    }

    const show = (entries: readonly RegistryEntry[]): string[] =>
      leasesOf(tableWith([...entries], at(1_000)));

    it("ends equal, with every event given at least once, in any order and number", () => {
      fc.assert(
        fc.property(
          history,
          fc.integer({ min: 1, max: 31 }),
          fc.infiniteStream(fc.nat()),
          (steps, cut, choices) => {
            const events = eventsOf(steps);
            const from = Math.min(cut, events.length + 1);
            const given = [...events, ...events]
              .map((event) => ({ event, rank: Number(choices.next().value) }))
              .sort((a, b) => a.rank - b.rank)
              .map(({ event }) => event);
            const table = tableWith(stateAt(events, from), at(from));
            for (const event of given) table.apply([event]);
            expect(leasesOf(table)).toEqual(show(stateAt(events, events.length + 1)));
          },
        ),
      );
    });

    it("ends equal after a list, whatever was dropped, doubled or late before it", () => {
      fc.assert(
        fc.property(history, fc.array(fc.nat(), { maxLength: 40 }), fc.boolean(), (steps, picks, isAudit) => {
          const events = eventsOf(steps);
          const last = events.length + 1;
          const table = tableWith([], at(1));
          for (const pick of picks)
            table.apply(events.slice(pick % events.length, (pick % events.length) + 1));
          if (isAudit) table.audit(stateAt(events, last), at(last));
          else table.replace(stateAt(events, last), at(last));
          expect(leasesOf(table)).toEqual(show(stateAt(events, last)));
          for (const pick of picks)
            table.apply(events.slice(pick % events.length, (pick % events.length) + 1));
          expect(leasesOf(table)).toEqual(show(stateAt(events, last)));
          expect(table.view().revision).toBe(BigInt(last));
        }),
      );
    });

    it("ends equal after an audit with an old list, when the events after it were given", () => {
      fc.assert(
        fc.property(history, fc.nat(), fc.array(fc.nat(), { maxLength: 20 }), (steps, cut, dropped) => {
          const events = eventsOf(steps);
          const listedAt = 1 + (cut % (events.length + 1));
          const table = tableWith([], at(1));
          const drop = new Set(dropped.map((pick) => pick % events.length));
          table.apply(events.filter((event, i) => !drop.has(i) || Number(modRevisionOf(event)) > listedAt));
          table.audit(stateAt(events, listedAt), at(listedAt));
          expect(leasesOf(table)).toEqual(show(stateAt(events, events.length + 1)));
        }),
      );
    });
  });
});
