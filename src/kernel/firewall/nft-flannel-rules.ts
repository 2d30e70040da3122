/** flannel's rules as a table of nftables, in the text that `nft list table` prints. */
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { FlannelRules } from "./flannel-rules.ts";

/** flannel's name for it. */
export const FLANNEL_TABLE = "flannel-ipv4";
/** flannel makes this one too, whether or not there is IPv6. */
export const FLANNEL_TABLE6 = "flannel-ipv6";

const MULTICAST = "224.0.0.0/4";
/** Set by kube-proxy on what it masquerades itself; tested as a mask, other bits of the mark are others'. */
const KUBE_PROXY_MARK = "0x00004000";

/** The whole table, or null when nothing is wanted in it. */
export function flannelTable(wanted: FlannelRules | null): string | null {
  if (wanted === null) return null;
  const chains = [
    ...(wanted.isMasquerading ? [masqueradeChain(wanted)] : []),
    ...(wanted.isForwarding ? [forwardChain(wanted.network)] : []),
  ];
  if (chains.length === 0) return null;
  return `table ip ${FLANNEL_TABLE} {\n\tcomment "rules for ${FLANNEL_TABLE}"\n\n${chains.join("\n")}}\n`;
}

/**
 * Whether nft lists the table as it is wanted. Comments are left out, since kernels before 5.10 do not keep them, and
 * so is what versions of nft print in different ways: blanks, zeros in front of a mark.
 */
export function isSameTable(listing: string, wanted: string): boolean {
  return essenceOf(listing) === essenceOf(wanted);
}

/** Where iptables has `! -s C -d P`, flannel's nftables text says `saddr != P daddr C` and never comes to its last rule. */
function masqueradeChain({ network, ownSubnet, isFullyRandom }: FlannelRules): string {
  const all = network.toString();
  const own = ownSubnet.toString();
  const masquerade = isFullyRandom ? "masquerade fully-random" : "masquerade";
  return chainText("postrtg", "chain to manage traffic masquerading by flannel", [
    "type nat hook postrouting priority srcnat; policy accept;",
    `meta mark & ${KUBE_PROXY_MARK} == ${KUBE_PROXY_MARK} return`,
    `ip saddr ${own} ip daddr ${all} return`,
    `ip saddr ${all} ip daddr ${own} return`,
    `ip saddr != ${all} ip daddr ${own} return`,
    `ip saddr ${all} ip daddr != ${MULTICAST} ${masquerade}`,
    `ip saddr != ${all} ip daddr ${all} ${masquerade}`,
  ]);
}

function forwardChain(network: Ipv4Prefix): string {
  return chainText("forward", "chain to accept flannel traffic", [
    "type filter hook forward priority filter; policy accept;",
    `ip saddr ${network.toString()} accept`,
    `ip daddr ${network.toString()} accept`,
  ]);
}

function chainText(name: string, comment: string, lines: readonly string[]): string {
  return [
    `\tchain ${name} {`,
    ...[`comment "${comment}"`, ...lines].map((line) => `\t\t${line}`),
    "\t}",
    "",
  ].join("\n");
}

function essenceOf(text: string): string {
  return text
    .split("\n")
    .map((line) =>
      line
        .trim()
        .replaceAll(/\s+/g, " ")
        .replaceAll(/\b0x0+(?=[0-9a-f])/g, "0x"),
    )
    .filter((line) => line !== "" && !line.startsWith("comment ") && !line.startsWith("#"))
    .join("\n");
}
