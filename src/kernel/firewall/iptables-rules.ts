/** flannel's rules as iptables prints them, which scripts and people look for by name. */
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { FlannelRules } from "./flannel-rules.ts";

const MULTICAST = "224.0.0.0/4";
/** Set by kube-proxy on what it masquerades itself. */
const KUBE_PROXY_MARK = "0x4000/0x4000";

/** A chain of ours, and the place of the one jump that leads into it. */
export interface OwnChain {
  readonly table: "nat" | "filter";
  /** Chain of the table that jumps to ours. */
  readonly hook: "POSTROUTING" | "FORWARD";
  readonly name: string;
  /** The jump, as `iptables -S` prints it. */
  readonly jump: string;
  /** All rules of the chain in order, as `iptables -S` prints them. Null: neither chain nor jump is to be there. */
  readonly rules: readonly string[] | null;
}

/**
 * Both chains, whatever is wanted: what is not wanted is to be absent.
 * @param canRandomFully whether this iptables knows `--random-fully`
 */
export function flannelChains(wanted: FlannelRules | null, canRandomFully: boolean): OwnChain[] {
  const isMasquerading = wanted?.isMasquerading === true;
  const isForwarding = wanted?.isForwarding === true;
  return [
    ownChain(
      "nat",
      "POSTROUTING",
      "FLANNEL-POSTRTG",
      "flanneld masq",
      isMasquerading ? masqueradeRules(wanted, canRandomFully) : null,
    ),
    ownChain(
      "filter",
      "FORWARD",
      "FLANNEL-FWD",
      "flanneld forward",
      isForwarding ? forwardRules(wanted.network) : null,
    ),
  ];
}

/** What a rule asks of a packet, and where it then goes. */
type Rule = readonly [match: string, target: string];

/**
 * Traffic between the overlay's containers keeps its addresses, and so does what comes from outside to ours; what
 * leaves the overlay, and what comes from outside for other nodes' containers, is masqueraded, so that the answers
 * come back by this node.
 */
function masqueradeRules(
  { network, ownSubnet, isFullyRandom }: FlannelRules,
  canRandomFully: boolean,
): Rule[] {
  const masquerade = isFullyRandom && canRandomFully ? "MASQUERADE --random-fully" : "MASQUERADE";
  return [
    [`-m mark --mark ${KUBE_PROXY_MARK}`, "RETURN"],
    [`-s ${ownSubnet.toString()} -d ${network.toString()}`, "RETURN"],
    [`-s ${network.toString()} -d ${ownSubnet.toString()}`, "RETURN"],
    [`! -s ${network.toString()} -d ${ownSubnet.toString()}`, "RETURN"],
    [`-s ${network.toString()} ! -d ${MULTICAST}`, masquerade],
    [`! -s ${network.toString()} -d ${network.toString()}`, masquerade],
  ];
}

function forwardRules(network: Ipv4Prefix): Rule[] {
  return [
    [`-s ${network.toString()}`, "ACCEPT"],
    [`-d ${network.toString()}`, "ACCEPT"],
  ];
}

function ownChain(
  table: OwnChain["table"],
  hook: OwnChain["hook"],
  name: string,
  comment: string,
  rules: readonly Rule[] | null,
): OwnChain {
  const marked = `-m comment --comment "${comment}"`;
  return {
    table,
    hook,
    name,
    jump: `-A ${hook} ${marked} -j ${name}`,
    rules: rules?.map(([match, target]) => `-A ${name} ${match} ${marked} -j ${target}`) ?? null,
  };
}
