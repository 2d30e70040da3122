/** In what two network configs differ, member by member, once defaults are filled in and spelling is put aside. */
import { isDeepStrictEqual } from "node:util";
import { foldName } from "../net/fold-name.ts";
import { escapeUntrusted, showUntrustedJson } from "../net/untrusted-text.ts";
import type { JsonValue } from "./lease.ts";
import type { NetworkConfig } from "./network-config.ts";

/** The members that there are, and some slips of the pen; `Backend` may have thousands of its own. */
const MAX_SHOWN = 12;

/** One member, with its value in each config; all three are fit for a log line. */
export interface ConfigDifference {
  /** As the JSON names it, such as `Backend.Port`. */
  readonly member: string;
  readonly from: string;
  readonly to: string;
}

/** A value to compare, and how to show it. */
interface Member {
  readonly name: string;
  readonly value: JsonValue | undefined;
  readonly shown: string;
}

/** What is another value in `to` than in `from`; nothing where only the text differs. Never throws. */
export function configDifferences(from: NetworkConfig, to: NetworkConfig): readonly ConfigDifference[] {
  const [before, after] = [membersOf(from), membersOf(to)];
  const differences: ConfigDifference[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(key), after.get(key)];
    if (isDeepStrictEqual(old?.value, now?.value)) continue;
    const member = now?.name ?? old?.name ?? key;
    differences.push({ member, from: old?.shown ?? ABSENT, to: now?.shown ?? ABSENT });
  }
  return differences;
}

/** Whether a node works the same by both. */
export function isSameConfig(a: NetworkConfig, b: NetworkConfig): boolean {
  return configDifferences(a, b).length === 0;
}

/** One text for each difference, and one for those that are too many to show. */
export function formatDifferences(differences: readonly ConfigDifference[]): string[] {
  const shown = differences.slice(0, MAX_SHOWN).map(({ member, from, to }) => `${member} ${from} -> ${to}`);
  const more = differences.length - shown.length;
  return more === 0 ? shown : [...shown, `and ${more} more`];
}

const ABSENT = showUntrustedJson(undefined);

/** Every member by its folded name. */
function membersOf(config: NetworkConfig): ReadonlyMap<string, Member> {
  const { ipv6 } = config;
  const own: readonly Member[] = [
    plain("Network", config.network.toString()),
    plain("SubnetLen", config.subnetLength),
    plain("SubnetMin", config.subnetMin.toString()),
    plain("SubnetMax", config.subnetMax.toString()),
    plain("EnableIPv4", config.enableIpv4),
    plain("EnableIPv6", config.enableIpv6),
    plain("IPv6Network", ipv6?.network.toString()),
    plain("IPv6SubnetLen", ipv6?.subnetLength),
    plain("IPv6SubnetMin", ipv6?.subnetMin.toString()),
    plain("IPv6SubnetMax", ipv6?.subnetMax.toString()),
    plain("EnableNFTables", config.usesNftables),
    untrusted("Backend.Type", config.backendType),
  ];
  const members = new Map(own.map((member) => [foldName(member.name), member]));
  for (const [name, value] of Object.entries(config.backendOptions)) {
    const folded = `backend.${foldName(name)}`;
    // `Type` is there already; null is as good as absent, and of several spellings the last one counts, as for backends.
    if (value === null || folded === "backend.type") continue;
    members.set(folded, untrusted(`Backend.${escapeUntrusted(name)}`, value));
  }
  return members;
}

function plain(name: string, value: string | number | boolean | undefined): Member {
  return { name, value, shown: value === undefined ? ABSENT : String(value) };
}

function untrusted(name: string, value: JsonValue): Member {
  return { name, value, shown: showUntrustedJson(value) };
}
