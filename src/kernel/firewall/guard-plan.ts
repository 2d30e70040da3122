/** Which table keeps strangers and pods out of the overlay, and the overlay's packets off the underlay. Pure. */
import { Ipv4Prefix } from "../../net/ipv4.ts";
import type { GuardedPeer, GuardRules } from "./guard-rules.ts";
import type { GuardChain, GuardSet, GuardTable } from "./guard-table.ts";

/** Counters of the table, as `nft list table` shows them: packets that the guard dropped, by reason. */
export const GUARD_COUNTERS = [
  /** To the encapsulation port by somebody who holds no lease. */
  "guardDropStranger",
  /** To an encapsulation port by a pod, here or at a peer, where masquerading would make it look like its node. */
  "guardDropPod",
  /** Decapsulated, but not from a peer's subnet to ours. */
  "guardDropForged",
  /** In clear from the underlay to the overlay device's own address (CVE-2019-14899). */
  "guardDropUnencapsulated",
  /** In clear to the overlay, on the way out by the underlay. */
  "guardDropLeak",
] as const;
type Counter = (typeof GUARD_COUNTERS)[number];

/**
 * Before connection tracking in `prerouting` (priority raw), and before everybody's filters elsewhere: what is dropped
 * costs least, and no other table sees it.
 */
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

/** Whether a guard has made the table of this name. */
export function isGuardTableName(name: string): boolean {
  const [, address = "", length = ""] = /^twill-([0-9.]+)-([0-9]+)$/.exec(name) ?? [];
  return Ipv4Prefix.parse(`${address}/${length}`) !== null;
}

/**
 * The table that these rules come to.
 *
 *   underlay ──▶ prerouting: not in clear to the device's address ──┬──▶ input: to the port from lease holders alone
 *   device   ──▶ prerouting: from a peer's subnet to ours           │
 *   pod      ──▶ prerouting                                         ├──▶ input: not to the port
 *                                                                   └──▶ forward: not to the port of a lease holder
 *   anybody  ──▶ postrouting: to the overlay by the underlay's interface only for direct peers
 *
 * What comes in clear from the underlay for our pods passes: direct peers send so, and a stranger on their link cannot
 * be told from a router.
 * @param name of the table, by `guardTableName`
 * @throws {RangeError} when a device's name means more than itself to nft
 */
export function planGuard(name: string, rules: GuardRules): GuardTable {
  const direct = rules.peers.filter(({ isDirect }) => isDirect);
  const directSubnets = prefixSet("direct_subnets", direct);
  if (rules.tunnel === null) {
    return { name, counters: ["guardDropLeak"], sets: [directSubnets], chains: [postrouting(rules)] };
  }
  return {
    name,
    counters: GUARD_COUNTERS,
    sets: [
      addressSet("nodes", rules.peers),
      prefixSet("subnets", rules.peers),
      addressSet("direct_nodes", direct),
      directSubnets,
    ],
    chains: [...tunnelChains(rules, rules.tunnel), postrouting(rules)],
  };
}

function tunnelChains(rules: GuardRules, tunnel: NonNullable<GuardRules["tunnel"]>): GuardChain[] {
  const underlay = quote(rules.underlayInterface);
  const device = quote(tunnel.deviceName);
  const toPort = `udp dport ${tunnel.port}`;
  const deviceAddress = rules.ownSubnet.address.toString();
  return [
    // Jumps, and what is rare first, keep the way of all other packets short.
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
    { name: "decapsulated", hook: null, rules: decapsulatedRules(rules) },
    { name: "input", hook: `input ${EARLY}`, rules: [`${toPort} jump encapsulated`] },
    {
      name: "forward",
      hook: `forward ${EARLY}`, // destinations are translated here already, sources not yet
      rules: [drop(`${toPort} iifname != ${underlay} ip daddr @nodes`, "guardDropPod")],
    },
    {
      name: "prerouting",
      hook: `prerouting ${EARLY}`,
      rules: [
        `iifname ${device} jump decapsulated`,
        drop(
          `ip daddr ${deviceAddress} iifname ${underlay} ip saddr != @direct_subnets ip saddr != @direct_nodes`,
          "guardDropUnencapsulated",
        ),
      ],
    },
  ];
}

/** The engines check the same, and more, before; behind the kernel's vxlan device nobody else does. */
function decapsulatedRules({ ownSubnet, isSourceChecked }: GuardRules): string[] {
  const from = isSourceChecked ? "ip saddr @subnets" : `ip saddr != ${elementOf(ownSubnet)}`;
  const ownErrors = "icmp type { destination-unreachable, time-exceeded }"; // what an engine writes to its device
  return [
    `${from} ip daddr ${elementOf(ownSubnet)} return`,
    `ip saddr ${ownSubnet.address.toString()} ${ownErrors} return`,
    drop("", "guardDropForged"),
  ];
}

/** Encapsulated packets have addresses of the underlay, and no peer's lies in the overlay. */
function postrouting({ network, underlayInterface, underlayPrefixes }: GuardRules): GuardChain {
  const outside = underlayPrefixes.filter((prefix) => network.containsPrefix(prefix));
  const butOutside = outside.length === 0 ? "" : ` ip daddr != { ${outside.map(elementOf).join(", ")} }`;
  const toOverlay = `oifname ${quote(underlayInterface)} ip daddr ${elementOf(network)}${butOutside}`;
  return {
    name: "postrouting",
    hook: `postrouting ${EARLY}`,
    rules: [drop(`${toOverlay} ip daddr != @direct_subnets`, "guardDropLeak")],
  };
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
