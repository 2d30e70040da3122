/** Short ways to write leases in tests. */
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import type { LeaseAttributes, SubnetLease } from "../../../src/subnet-lease/lease.ts";

export function prefixOf(text: string): Ipv4Prefix {
  const parsed = Ipv4Prefix.parse(text);
  if (parsed === null) throw new Error(`${text} is no prefix`);
  return parsed;
}

export function attributesOf(underlayIp: string, nodeId: string | null): LeaseAttributes {
  const { address } = prefixOf(`${underlayIp}/32`);
  return { underlayIp: new Ipv4Address(address.value), underlayIp6: null, backend: { type: "" }, nodeId };
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
