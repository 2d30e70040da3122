/** Who owns which subnet: one node's claim, as the registry holds it. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { Ipv6Address, Ipv6Prefix } from "../net/ipv6.ts";

/** A value of JSON, kept as it was read: we publish and compare it, the backend that owns it reads it. */
export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [member: string]: JsonValue };

/** What peers must know to send to a node by one way of carrying packets. */
export interface BackendData {
  /** `BackendType` in lower case; "" when the stored value has none, as udp and alloc leave it out. */
  readonly type: string;
  readonly data?: JsonValue;
  readonly v6Data?: JsonValue;
}

/** The value of a lease. */
export interface LeaseAttributes {
  /** Underlay address that peers send to (`PublicIP`). */
  readonly underlayIp: Ipv4Address;
  readonly underlayIp6: Ipv6Address | null;
  readonly backend: BackendData;
  /** Stable id of the node (`NodeID`, a member of ours that flannel ignores); null in flannel's leases. */
  readonly nodeId: string | null;
}

/** One node's claim on one overlay subnet, as the registry holds it. A renewal makes a new value. */
export interface SubnetLease {
  /** Overlay prefix the node owns; its host bits are zero. */
  readonly subnet: Ipv4Prefix;
  readonly subnet6: Ipv6Prefix | null;
  readonly attributes: LeaseAttributes;
  /** Registry revision of the write that made the key: of two claims, the smaller is the older. */
  readonly createRevision: bigint;
  /** Registry revision of the last write: orders two values of one subnet, larger is newer. */
  readonly revision: bigint;
  /** etcd's time-to-live object the key hangs on; 0 is a reservation, which never expires. */
  readonly etcdLeaseId: bigint;
}

/** Every lease the registry holds, at one revision. */
export interface LeaseView {
  /** In the order of `subnet`. */
  readonly leases: readonly SubnetLease[];
  readonly revision: bigint;
  /** Identity of the etcd cluster; another one means other data, whatever the revision says. */
  readonly clusterId: bigint;
}
