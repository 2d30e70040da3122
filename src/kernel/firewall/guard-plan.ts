/** Which table keeps strangers and pods out of the overlay, and the overlay's packets off the underlay. Pure. */
import { Ipv4Prefix } from "../../net/ipv4.ts";
import type { GuardedPeer, GuardedTunnel, GuardRules } from "./guard-rules.ts";
import type { GuardChain, GuardSet, GuardTable } from "./guard-table.ts";

/** Counters of the table, as `nft list table` shows them: packets that the guard dropped, by reason. */
export const GUARD_COUNTERS = [
  /** To the encapsulation port by somebody who holds no lease. */
  "guardDropStranger",
  /** To an encapsulation port by a pod, here or at a peer, where masquerading would make it look like its node. */
  "guardDropPod",
  /** Decapsulated, but not from a peer's subnet to ours. */
  "guardDropForged",
  /** In clear from the underlay to the overlay device's own address, or from an address of the overlay (CVE-2019-14899). */
  "guardDropUnencapsulated",
  /** In clear to the overlay, on the way out by the underlay. */
  "guardDropLeak",
] as const;
type Counter = (typeof GUARD_COUNTERS)[number];

/** Before connection tracking and everybody's filters (priority raw): what is dropped costs least, and no other table sees it. */
const EARLY = "priority -300";
/** Wildcards, quotes and escapes have a meaning in an nft string. */
const PLAIN_NAME = /^[^\s\p{Cc}"*\\]{1,15}$/u;

/**
 * Name of the guard's table. The network is what two agents on one host cannot share, as their routes would be the
 * same; it outlives changes of port, device and subnet, and `twill cleanup` knows it without asking the registry.
 */
export function guardTableName(network: Ipv4Prefix): string {
  return `twill-${network.address.toString()}-${network.length}`;
}

/**
 * A script that only a kernel takes which holds a hook by its interface's name (Linux 6.16), and so also for one that is
 * not there: elsewhere the hook would be gone when the interface comes back.
 */
export const HOLDS_HOOKS_BY_NAME = `table netdev twill-look { chain egress { type filter hook egress device "twill-no-device" ${EARLY}; }; }\n`;

/** Whether a guard has made the table of this name. */
export function isGuardTableName(name: string): boolean {
  const [, address = "", length = ""] = /^twill-([0-9.]+)-([0-9]+)$/.exec(name) ?? [];
  return Ipv4Prefix.parse(`${address}/${length}`) !== null;
}

/** Where packets that must not leave are met, without a tunnel. */
export type WayOut =
  /** As the underlay's interface sends them, which no packet to a pod of ours passes. */
  | "egress"
  /** As any interface sends them. */
  | "postrouting";

/**
 * The table that these rules come to.
 *
 *   underlay ──▶ prerouting: not in clear to the device's address, ─┬──▶ input: to the port from lease holders alone
 *                nor to ours with an address of the overlay (**)    │
 *   device   ──▶ prerouting: from a peer's subnet to ours (*)       │
 *   pod      ──▶ prerouting                                         ├──▶ input: not to the port
 *                                                                   └──▶ forward: not to the port of a lease holder
 *   anybody  ──▶ way out: to the overlay by the underlay's interface only for direct peers
 *
 *   (*) where no engine of ours has seen to it   (**) where the tunnel is the only way to us
 *
 * Each hook that a packet passes costs, whatever its rules (a chain without rules 1 % of the small packets that the
 * kernel's vxlan carries; docs/performance.md), so there are as few as do, with what is rare first. What comes in clear
 * from the underlay for our pods with an address outside the overlay passes: a stranger on the link cannot be told from a
 * router. With direct routing it cannot be told from a peer either, which may send in clear before we know it for direct.
 * @param name of the table, by `guardTableName`
 * @throws {RangeError} when a device's name means more than itself to nft
 */
export function planGuard(name: string, rules: GuardRules, wayOut: WayOut): GuardTable {
  const direct = rules.peers.filter(({ isDirect }) => isDirect);
  const directSubnets = prefixSet("direct_subnets", direct);
  if (rules.tunnel === null) {
    return {
      family: wayOut === "egress" ? "netdev" : "ip",
      name,
      counters: ["guardDropLeak"],
      sets: [directSubnets],
      chains: [wayOut === "egress" ? egress(rules) : postrouting(rules)],
    };
  }
  return {
    family: "ip",
    name,
    counters: GUARD_COUNTERS,
    sets: [
      addressSet("nodes", rules.peers),
      ...(rules.tunnel.isInKernel ? [prefixSet("subnets", rules.peers)] : []),
      addressSet("direct_nodes", direct),
      directSubnets,
    ],
    chains: [
      ...encapsulationChains(rules, rules.tunnel),
      ...(rules.tunnel.isInKernel ? [decapsulated(rules)] : []),
      prerouting(rules, rules.tunnel),
      postrouting(rules),
    ],
  };
}

function encapsulationChains(rules: GuardRules, { port }: GuardedTunnel): GuardChain[] {
  const underlay = quote(rules.underlayInterface);
  const toPort = `udp dport ${port}`;
  return [
    {
      name: "encapsulated",
      hook: null,
      rules: [
        // Any local address: the kernel's vxlan socket listens on all of them. By lo come this host's own, whom the
        // next rule refuses. A pod may take a peer's address as its source, so what it comes in by is what counts.
        drop(`iifname != ${underlay} iifname != "lo"`, "guardDropPod"),
        drop("ip saddr != @nodes", "guardDropStranger"),
      ],
    },
    { name: "input", hook: `input ${EARLY}`, rules: [`${toPort} goto encapsulated`] },
    {
      name: "forward",
      hook: `forward ${EARLY}`, // destinations are translated here already, sources not yet
      rules: [drop(`${toPort} iifname != ${underlay} ip daddr @nodes`, "guardDropPod")],
    },
  ];
}

/** What the engines check before, and behind the kernel's vxlan device nobody else does. */
function decapsulated(rules: GuardRules): GuardChain {
  const ownSubnet = elementOf(rules.ownSubnet);
  const from = rules.isSourceChecked ? "ip saddr @subnets" : `ip saddr != ${ownSubnet}`;
  return {
    name: "decapsulated",
    hook: null,
    rules: [`${from} ip daddr ${ownSubnet} accept`, drop("", "guardDropForged")],
  };
}

/**
 * Before connection tracking translates destinations: the device's address may be that of a masqueraded connection, whose
 * packets do not go to `input`. Pods' packets to this node itself may come in clear, so the last rule is about our subnet
 * alone.
 */
function prerouting(
  rules: GuardRules,
  { deviceName, isInKernel, isDirectRouting }: GuardedTunnel,
): GuardChain {
  const fromUnderlay = `iifname ${quote(rules.underlayInterface)}`;
  const toDevice = `ip daddr ${rules.ownSubnet.address.toString()} ${fromUnderlay}`;
  const toPods = `ip daddr ${elementOf(rules.ownSubnet)} ${fromUnderlay}`;
  return {
    name: "prerouting",
    hook: `prerouting ${EARLY}`,
    rules: [
      ...(isInKernel ? [`iifname ${quote(deviceName)} goto decapsulated`] : []),
      drop(`${toDevice} ip saddr != @direct_subnets ip saddr != @direct_nodes`, "guardDropUnencapsulated"),
      ...(isDirectRouting || !rules.isSourceChecked
        ? []
        : [drop(`${toPods} ${inOverlay("ip saddr", rules)}`, "guardDropUnencapsulated")]),
    ],
  };
}

function postrouting(rules: GuardRules): GuardChain {
  return {
    name: "postrouting",
    hook: `postrouting ${EARLY}`,
    rules: [drop(`oifname ${quote(rules.underlayInterface)} ${toOverlay(rules)}`, "guardDropLeak")],
  };
}

function egress(rules: GuardRules): GuardChain {
  return {
    name: "egress",
    hook: `egress device ${quote(rules.underlayInterface)} ${EARLY}`,
    rules: [drop(toOverlay(rules), "guardDropLeak")],
  };
}

function toOverlay(rules: GuardRules): string {
  return `${inOverlay("ip daddr", rules)} ip daddr != @direct_subnets`;
}

/** Encapsulated packets have addresses of the underlay, and no peer's lies in the overlay. */
function inOverlay(end: "ip saddr" | "ip daddr", { network, underlayPrefixes }: GuardRules): string {
  const outside = underlayPrefixes.filter((prefix) => network.containsPrefix(prefix));
  const butOutside = outside.length === 0 ? "" : ` ${end} != { ${outside.map(elementOf).join(", ")} }`;
  return `${end} ${elementOf(network)}${butOutside}`;
}

function drop(matches: string, counter: Counter): string {
  return `${matches} counter name ${counter} drop`.trimStart();
}

function addressSet(name: string, peers: readonly GuardedPeer[]): GuardSet {
  return { name, isInterval: false, elements: peers.map(({ underlayIp }) => underlayIp.toString()) };
}

function prefixSet(name: string, peers: readonly GuardedPeer[]): GuardSet {
  return { name, isInterval: true, elements: peers.map(({ subnet }) => elementOf(subnet)) };
}

function elementOf(prefix: Ipv4Prefix): string {
  return prefix.length === 32 ? prefix.address.toString() : prefix.toString();
}

function quote(interfaceName: string): string {
  if (PLAIN_NAME.test(interfaceName)) return `"${interfaceName}"`;
  throw new RangeError(
    `Cannot guard the interface ${JSON.stringify(interfaceName)}: nft would read its name as more than a name`,
  );
}
