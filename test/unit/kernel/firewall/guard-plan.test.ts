import { describe, expect, it } from "vitest";
import {
  GUARD_COUNTERS,
  guardTableName,
  isGuardTableName,
  planGuard,
} from "../../../../src/kernel/firewall/guard-plan.ts";
import type { GuardRules } from "../../../../src/kernel/firewall/guard-rules.ts";
import {
  formatElementChanges,
  formatReplacement,
  structureOf,
} from "../../../../src/kernel/firewall/guard-table.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const RULES: GuardRules = {
  network: prefixOf("10.244.0.0/16"),
  ownSubnet: prefixOf("10.244.1.0/24"),
  underlayInterface: "eth0",
  underlayPrefixes: [prefixOf("192.0.2.0/24")],
  tunnel: { port: 8472, deviceName: "flannel.1", isInKernel: true, isDirectRouting: true },
  isSourceChecked: true,
  peers: [
    { subnet: prefixOf("10.244.2.0/24"), underlayIp: addressOf("192.0.2.2"), isDirect: true },
    { subnet: prefixOf("10.244.3.7/32"), underlayIp: addressOf("198.51.100.3"), isDirect: false },
  ],
};

/** Rules of each chain, counters left out. */
function rulesOf(fields: Partial<GuardRules> = {}): Record<string, string[]> {
  const { chains } = planGuard("t", { ...RULES, ...fields }, "egress");
  return Object.fromEntries(
    chains.map(({ name, rules }) => [name, rules.map((rule) => rule.replace(/counter name \w+ /, ""))]),
  );
}

const elementsOf = (rules: GuardRules): Record<string, readonly string[]> =>
  Object.fromEntries(planGuard("t", rules, "egress").sets.map(({ name, elements }) => [name, elements]));

describe("planGuard", () => {
  it("names what is rare first: the port, the device, its address", () => {
    expect(rulesOf()).toEqual({
      encapsulated: ['iifname != "eth0" iifname != "lo" drop', "ip saddr != @nodes drop"],
      decapsulated: ["ip saddr @subnets ip daddr 10.244.1.0/24 accept", "drop"],
      input: ["udp dport 8472 goto encapsulated"],
      forward: ['udp dport 8472 iifname != "eth0" ip daddr @nodes drop'],
      prerouting: [
        'iifname "flannel.1" goto decapsulated',
        'ip daddr 10.244.1.0 iifname "eth0" ip saddr != @direct_subnets ip saddr != @direct_nodes drop',
      ],
      postrouting: ['oifname "eth0" ip daddr 10.244.0.0/16 ip daddr != @direct_subnets drop'],
    });
  });

  it("counts in every rule that drops, and only by counters it makes", () => {
    const { chains, counters } = planGuard("t", RULES, "egress");
    const drops = chains.flatMap(({ rules }) => rules).filter((rule) => rule.endsWith("drop"));
    const used = drops.map((rule) => /counter name (\w+) drop$/.exec(rule)?.[1]);
    expect(new Set(used)).toEqual(new Set(counters));
    expect(counters).toEqual(GUARD_COUNTERS);
  });

  it("fills the sets from the peers", () => {
    expect(elementsOf(RULES)).toEqual({
      nodes: ["192.0.2.2", "198.51.100.3"],
      subnets: ["10.244.2.0/24", "10.244.3.7"],
      direct_nodes: ["192.0.2.2"],
      direct_subnets: ["10.244.2.0/24"],
    });
  });

  it("leaves to the engine what the engine decapsulates", () => {
    const tunnel = { port: 8285, deviceName: "flannel0", isInKernel: false, isDirectRouting: false };
    expect(Object.keys(rulesOf({ tunnel }))).toEqual([
      ...["encapsulated", "input", "forward"],
      ...["prerouting", "postrouting"],
    ]);
    expect(rulesOf({ tunnel }).prerouting).toHaveLength(2);
    expect(Object.keys(elementsOf({ ...RULES, tunnel }))).toEqual([
      "nodes",
      "direct_nodes",
      "direct_subnets",
    ]);
  });

  it("without a tunnel keeps only what must not leave, in whichever way there is", () => {
    const toOverlay = "ip daddr 10.244.0.0/16 ip daddr != @direct_subnets drop";
    expect(rulesOf({ tunnel: null })).toEqual({ egress: [toOverlay] });
    expect(elementsOf({ ...RULES, tunnel: null })).toEqual({ direct_subnets: ["10.244.2.0/24"] });
    const { family, chains } = planGuard("t", { ...RULES, tunnel: null }, "postrouting");
    expect({ family, names: chains.map(({ name }) => name) }).toEqual({
      family: "ip",
      names: ["postrouting"],
    });
  });

  it("drops nothing in clear from the overlay's addresses where peers may send so, or sources are not checked", () => {
    const lengthOf = (fields: Partial<GuardRules>): number | undefined => rulesOf(fields).prerouting?.length;
    const tunnel = { port: 8285, deviceName: "flannel0", isInKernel: false, isDirectRouting: false };
    const direct = { ...tunnel, isDirectRouting: true };
    expect(lengthOf({ tunnel })).toBe(2);
    expect([lengthOf({ tunnel: direct }), lengthOf({ tunnel, isSourceChecked: false })]).toEqual([1, 1]);
  });

  it("lets sources from elsewhere in where they are not checked, but none of its own subnet", () => {
    expect(rulesOf({ isSourceChecked: false }).decapsulated?.[0]).toBe(
      "ip saddr != 10.244.1.0/24 ip daddr 10.244.1.0/24 accept",
    );
  });

  it("spares the underlay where that lies in the overlay's network", () => {
    const underlayPrefixes = [prefixOf("10.244.200.0/24"), prefixOf("10.0.0.0/8"), prefixOf("10.244.9.1/32")];
    expect(rulesOf({ underlayPrefixes }).postrouting).toEqual([
      'oifname "eth0" ip daddr 10.244.0.0/16 ip daddr != { 10.244.200.0/24, 10.244.9.1 } ip daddr != @direct_subnets drop',
    ]);
    const tunnel = { port: 8472, deviceName: "flannel.1", isInKernel: true, isDirectRouting: false };
    expect(rulesOf({ underlayPrefixes, tunnel }).prerouting?.at(-1)).toBe(
      'ip daddr 10.244.1.0/24 iifname "eth0" ip saddr 10.244.0.0/16 ip saddr != { 10.244.200.0/24, 10.244.9.1 } drop',
    );
  });

  it.each(["eth*", 'e"', "e\\", "e th", "", "a-name-too-long0"])("refuses the device name %j", (name) => {
    expect(() => rulesOf({ underlayInterface: name })).toThrow(RangeError);
    expect(() =>
      rulesOf({ tunnel: { port: 8472, deviceName: name, isInKernel: true, isDirectRouting: false } }),
    ).toThrow(/Cannot guard the interface/);
  });
});

describe("guardTableName", () => {
  it("is another for each network, and known for the guard's", () => {
    expect(guardTableName(RULES.network)).toBe("twill-10.244.0.0-16");
    expect(guardTableName(prefixOf("10.244.0.0/17"))).toBe("twill-10.244.0.0-17");
    expect(isGuardTableName("twill-10.244.0.0-16")).toBe(true);
    const others = [
      "twill",
      "twill-other",
      "twill-10.244.0.0",
      "twill-10.244.0.1-16",
      "a-twill-10.244.0.0-16",
    ];
    expect(others.filter(isGuardTableName)).toEqual([]);
  });
});

describe("formatReplacement", () => {
  it("takes the old table away and makes the new one in one script", () => {
    const text = formatReplacement(planGuard("t", { ...RULES, tunnel: null }, "egress"));
    expect(text).toBe(
      [
        "add table netdev t",
        "delete table netdev t",
        "table netdev t {",
        "counter guardDropLeak { }",
        "set direct_subnets { type ipv4_addr; flags interval; elements = { 10.244.2.0/24 }; }",
        "chain egress {",
        'type filter hook egress device "eth0" priority -300; policy accept;',
        "ip daddr 10.244.0.0/16 ip daddr != @direct_subnets counter name guardDropLeak drop",
        "}",
        "}",
        "",
      ].join("\n"),
    );
  });
});

describe("structureOf", () => {
  it("is the same for other peers, and another for anything else", () => {
    const structure = (fields: Partial<GuardRules>): string =>
      structureOf(planGuard("t", { ...RULES, ...fields }, "egress"));
    expect(structure({ peers: [] })).toBe(structure({}));
    const others = [
      { ownSubnet: prefixOf("10.244.5.0/24") },
      { underlayInterface: "eth1" },
      { tunnel: null },
      { isSourceChecked: false },
      { network: prefixOf("10.244.0.0/17") },
    ];
    expect(new Set([{}, ...others].map(structure)).size).toBe(others.length + 1);
  });
});

describe("formatElementChanges", () => {
  const table = planGuard("t", RULES, "egress");
  const present = new Map(table.sets.map(({ name, elements }) => [name, elements]));

  it("has nothing to say when all is there, in whatever order", () => {
    const reversed = new Map([...present].map(([name, elements]) => [name, elements.toReversed()]));
    expect(formatElementChanges(table, reversed)).toBe("");
  });

  it("removes before it adds", () => {
    const before = new Map([...present, ["subnets", ["10.244.2.0/24", "10.244.3.0/24"]]]);
    expect(formatElementChanges(table, before)).toBe(
      "delete element ip t subnets { 10.244.3.0/24 }\nadd element ip t subnets { 10.244.3.7 }\n",
    );
  });
});
