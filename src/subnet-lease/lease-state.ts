import type { Ipv4Prefix } from "../net/ipv4.ts";
import type { SubnetLease } from "./lease.ts";

/** What the node has. */
export type LeaseState =
  | { readonly kind: "none" }
  /** Taken from disk, not yet confirmed by the registry. */
  | { readonly kind: "cached"; readonly subnet: Ipv4Prefix }
  /** `expiresAtMs` is by the monotonic clock; null for a reservation, which never expires. */
  | { readonly kind: "held"; readonly lease: SubnetLease; readonly expiresAtMs: number | null }
  /** `reason` is fit for a log line. */
  | { readonly kind: "lost"; readonly subnet: Ipv4Prefix; readonly reason: string };

/** The subnet that the node forwards for, or null. */
export function subnetOf(state: LeaseState): Ipv4Prefix | null {
  if (state.kind === "cached") return state.subnet;
  return state.kind === "held" ? state.lease.subnet : null;
}

/** True when the node holds the same write of the same lease in both. */
export function holdSameLease(a: LeaseState, b: LeaseState): boolean {
  if (a.kind !== "held" || b.kind !== "held") return false;
  return a.lease.subnet.equals(b.lease.subnet) && a.lease.revision === b.lease.revision;
}
