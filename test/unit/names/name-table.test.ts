import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NameTable } from "../../../src/names/name-table.ts";
import { NamesBuilder } from "../../../src/names/record/host-names.ts";
import type { HostNames } from "../../../src/names/record/host-names.ts";
import type { Ipv4Address } from "../../../src/net/ipv4.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

const HOSTS = ["10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24"].map(prefixOf);
const NAMES = ["web", "db", "web.shop", "db.shop", "shop", "a.b.c"];
const ASKED = [...NAMES, "c", "b.c", "x.web", "nobody"];

/** One address for each name, by host and name, so that every pair has another. */
function addressFor(host: number, name: string): Ipv4Address {
  return addressOf(`10.244.${host + 1}.${NAMES.indexOf(name) + 2}`);
}

function namesOf(host: number, names: readonly string[]): HostNames {
  const builder = new NamesBuilder();
  for (const name of names) builder.addOwner(name, addressFor(host, name));
  return builder.build();
}

function show(table: NameTable, name: string): string[] | null {
  return table.find(name)?.map(String).sort() ?? null;
}

describe("NameTable", () => {
  it("gives the addresses of all hosts that have the name", () => {
    const table = new NameTable();
    HOSTS.slice(0, 2).forEach((subnet, i) => table.setHost(subnet, namesOf(i, ["web"])));
    expect(show(table, "web")).toEqual(["10.244.1.2", "10.244.2.2"]);
    expect(show(table, "db")).toBeNull();
  });

  it("believes the first of two hosts that claim an address, and the other when that is gone", () => {
    const table = new NameTable();
    const address = addressFor(0, "web");
    const lie = new NamesBuilder();
    lie.addOwner("liar", address);
    const [host, liar] = [prefixOf("10.244.1.0/24"), prefixOf("10.244.0.0/22")];
    table.setHost(host, namesOf(0, ["web"]));
    table.setHost(liar, lie.build());
    expect(table.findOwner(address)).toBe("web");
    table.setHost(host, null);
    expect(table.findOwner(address)).toBe("liar");
    table.keepHosts([]);
    expect(table.findOwner(address)).toBeNull();
  });

  it("knows that there is something above a name, without an address", () => {
    const table = new NameTable();
    table.setHost(prefixOf("10.244.1.0/24"), namesOf(0, ["a.b.c"]));
    expect([show(table, "b.c"), show(table, "c"), show(table, "x.c")]).toEqual([[], [], null]);
  });

  it("is like a list that is searched, after any changes", () => {
    const change = fc.record({
      host: fc.nat(HOSTS.length - 1),
      names: fc.option(fc.subarray(NAMES), { nil: null }),
      keep: fc.option(fc.subarray([0, 1, 2]), { nil: null, freq: 4 }),
    });
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const table = new NameTable();
        const held = new Map<number, readonly string[]>();
        for (const { host, names, keep } of changes) {
          table.setHost(
            HOSTS[host] ?? prefixOf("10.244.9.0/24"),
            names === null ? null : namesOf(host, names),
          );
          if (names === null) held.delete(host);
          else held.set(host, names);
          if (keep !== null) {
            table.keepHosts(HOSTS.filter((_, i) => keep.includes(i)));
            for (const one of [...held.keys()]) if (!keep.includes(one)) held.delete(one);
          }
        }
        expect(table.hosts).toBe(held.size);
        for (const asked of ASKED) expect(show(table, asked)).toEqual(search(held, asked));
        for (const host of HOSTS.keys())
          for (const name of NAMES) {
            const isHeld = held.get(host)?.includes(name) === true;
            expect(table.findOwner(addressFor(host, name))).toBe(isHeld ? name : null);
          }
      }),
    );
  });
});

/** The stupid way. */
function search(held: ReadonlyMap<number, readonly string[]>, asked: string): string[] | null {
  const all = [...held].flatMap(([host, names]) => names.map((name) => ({ host, name })));
  if (!all.some(({ name }) => name === asked || name.endsWith(`.${asked}`))) return null;
  return all
    .filter(({ name }) => name === asked)
    .map(({ host, name }) => addressFor(host, name).toString())
    .sort();
}
