import { describe, expect, it } from "vitest";
import { readGuardListing } from "../../../../src/kernel/firewall/guard-listing.ts";
import { planReplacement } from "../../../../src/kernel/firewall/guard-replacement.ts";
import type { GuardTable } from "../../../../src/kernel/firewall/guard-table.ts";

const TABLE: GuardTable = {
  family: "ip",
  name: "t",
  counters: ["dropped"],
  sets: [
    { name: "nodes", isInterval: false, elements: ["192.0.2.2"] },
    { name: "subnets", isInterval: true, elements: ["10.244.2.0/24"] },
  ],
  chains: [
    { name: "first", hook: null, rules: ["ip saddr @nodes return"] },
    { name: "input", hook: "input priority -300", rules: ["jump first"] },
  ],
};
const RULES = [
  "table ip t {",
  "chain first {",
  "ip saddr @nodes return",
  "}",
  "chain input {",
  "type filter hook input priority -300; policy accept;",
  "jump first",
  "}",
  "}",
  "",
].join("\n");

const place = { family: "ip", table: "t", handle: 7 };
/** What `nft -j` 1.0.6 lists of the table. */
const STANDING: readonly object[] = [
  { metainfo: { version: "1.0.6" } },
  { table: { family: "ip", name: "t", handle: 1 } },
  { counter: { ...place, name: "dropped", packets: 3, bytes: 300 } },
  { set: { ...place, name: "nodes", type: "ipv4_addr", elem: ["192.0.2.2"] } },
  {
    set: { ...place, name: "subnets", type: "ipv4_addr", flags: ["interval"], elem: [prefix("10.244.2.0")] },
  },
  { chain: { ...place, name: "first" } },
  { chain: { ...place, name: "input", type: "filter", hook: "input", prio: -300, policy: "accept" } },
  { rule: { ...place, chain: "first", expr: [] } },
];

function prefix(addr: string): object {
  return { prefix: { addr, len: 24 } };
}

function plan(...listed: readonly object[]): string[] {
  return planReplacement(TABLE, readGuardListing({ nftables: listed }));
}

/** The standing table, with another object in the place of the set, chain or counter of this name. */
function planWith(name: string, other: object): string[] {
  return plan(
    ...STANDING.map((object) => (JSON.stringify(object).includes(`"name":"${name}"`) ? other : object)),
  );
}

describe("planReplacement", () => {
  it("makes the sets of a table that is not there before the rules that ask them", () => {
    const sets = [
      "table ip t {",
      "counter dropped { }",
      "set nodes { type ipv4_addr; elements = { 192.0.2.2 }; }",
      "set subnets { type ipv4_addr; flags interval; elements = { 10.244.2.0/24 }; }",
      "}",
      "",
    ];
    expect(plan()).toEqual([sets.join("\n"), RULES]);
  });

  it("keeps the sets and counters of a table that stands, and puts the chains in the place of the old ones", () => {
    const chains = `flush table ip t\ndelete chain ip t first\ndelete chain ip t input\n${RULES}`;
    expect(plan(...STANDING)).toEqual([chains]);
    const others = { ...place, name: "nodes", type: "ipv4_addr", elem: ["192.0.2.9"] };
    expect(planWith("nodes", { set: others })).toEqual([
      "delete element ip t nodes { 192.0.2.9 }\nadd element ip t nodes { 192.0.2.2 }\n",
      chains,
    ]);
  });

  it.each<[string, string, object]>([
    ["a set of single addresses", "subnets", { set: { ...place, name: "subnets", type: "ipv4_addr" } }],
    ["a set of something else", "nodes", { set: { ...place, name: "nodes", type: "inet_service" } }],
    [
      "a set whose elements go away",
      "nodes",
      { set: { ...place, name: "nodes", type: "ipv4_addr", timeout: 60 } },
    ],
    [
      "a set with further flags",
      "subnets",
      { set: { ...place, name: "subnets", type: "ipv4_addr", flags: ["interval", "constant"] } },
    ],
    [
      "ranges",
      "subnets",
      {
        set: {
          ...{ ...place, name: "subnets", type: "ipv4_addr", flags: ["interval"] },
          elem: [{ range: ["10.244.2.1", "10.244.2.7"] }],
        },
      },
    ],
    ["another set", "nodes", { set: { ...place, name: "others", type: "ipv4_addr" } }],
    ["another chain", "input", { chain: { ...place, name: "others" } }],
    ["a map", "dropped", { map: { ...place, name: "dropped", type: "ipv4_addr", map: "verdict" } }],
    ["no counter", "dropped", { rule: { ...place, chain: "first", expr: [] } }],
  ])("replaces all at once where there is %s", (_what, name, other) => {
    const [script = "", ...more] = planWith(name, other);
    expect(script).toMatch(/^add table ip t\ndelete table ip t\ntable ip t \{\ncounter dropped/);
    expect(more).toEqual([]);
  });
});
