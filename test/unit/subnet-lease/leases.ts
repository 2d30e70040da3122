/** Short ways to write leases in tests. */
import type { LeaseAttributes, SubnetLease } from "../../../src/subnet-lease/lease.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

export function attributesOf(underlayIp: string, nodeId: string | null): LeaseAttributes {
  return { underlayIp: addressOf(underlayIp), underlayIp6: null, backend: { type: "" }, nodeId };
}

/** A lease on an etcd lease, written once, unless said otherwise. */
export function leaseOf(
  subnet: string,
  underlayIp: string,
  nodeId: string | null,
  more: Partial<SubnetLease> = {},
): SubnetLease {
  return {
    subnet: prefixOf(subnet),
    subnet6: null,
    attributes: attributesOf(underlayIp, nodeId),
    createRevision: 10n,
    revision: 10n,
    etcdLeaseId: 0x6000_0000_0000_0007n,
    ...more,
  };
}
