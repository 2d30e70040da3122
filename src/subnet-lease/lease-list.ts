/** The leases in a list of keys, sorted into what can be believed and what only occupies its subnet. */
import type { Ipv4Prefix } from "../net/ipv4.ts";
import { parseLeaseKey, parseLeaseValue } from "./lease-codec.ts";
import type { SubnetLease } from "./lease.ts";
import type { RegistryEntry } from "./registry.ts";

/** A lease key whose value cannot be read: nobody we could send to, but its subnet is not free either. */
export interface UnreadableLease extends Omit<SubnetLease, "attributes"> {
  readonly attributes: null;
  /** Fit for a log line. */
  readonly reason: string;
}

/** One key under the lease prefix. */
export type LeaseEntry =
  | { readonly kind: "lease"; readonly lease: SubnetLease }
  | { readonly kind: "unreadable"; readonly lease: UnreadableLease }
  /** No lease at all. */
  | { readonly kind: "foreign" };

/** Every lease of one list, each half in the order of `subnet`. */
export interface LeaseList {
  readonly leases: readonly SubnetLease[];
  readonly unreadable: readonly UnreadableLease[];
}

/** Reads one key under the lease prefix. Never throws. */
export function parseLeaseEntry(prefix: string, entry: RegistryEntry): LeaseEntry {
  const key = parseLeaseKey(prefix, entry.key);
  if (key === null) return { kind: "foreign" };
  const { createRevision, modRevision: revision, etcdLeaseId } = entry;
  const claim = { ...key, createRevision, revision, etcdLeaseId };
  const value = parseLeaseValue(entry.value);
  if (value.ok) return { kind: "lease", lease: { ...claim, attributes: value.attributes } };
  return { kind: "unreadable", lease: { ...claim, attributes: null, reason: value.reason } };
}

/** Reads every key of a list; keys that are no leases are left out. Never throws. */
export function parseLeaseList(prefix: string, entries: readonly RegistryEntry[]): LeaseList {
  const leases: SubnetLease[] = [];
  const unreadable: UnreadableLease[] = [];
  for (const entry of entries) {
    const parsed = parseLeaseEntry(prefix, entry);
    if (parsed.kind === "lease") leases.push(parsed.lease);
    else if (parsed.kind === "unreadable") unreadable.push(parsed.lease);
  }
  const bySubnet = (a: { subnet: Ipv4Prefix }, b: { subnet: Ipv4Prefix }): number =>
    a.subnet.compare(b.subnet);
  return { leases: leases.sort(bySubnet), unreadable: unreadable.sort(bySubnet) };
}
