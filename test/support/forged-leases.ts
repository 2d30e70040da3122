/** Leases of nodes that are not there, thousands of them: what an overlay network with room for them looks like. */
import type { Way } from "./healing-lab.ts";
import type { LabHost } from "./lab.ts";
import { SUBNETS_PREFIX } from "./lab-registry.ts";
import type { KeyWrite } from "./lease-writer.ts";

/** 16,384 subnets of /24. */
export const WIDE_NETWORK = "10.64.0.0/10";
/** The agents of the lab lease here, {@link forgeLease} below. */
export const OWN_SUBNETS = { SubnetLen: 24, SubnetMin: "10.120.0.0", SubnetMax: "10.127.0.0" };

/** What a node that is not there says of itself. */
export interface ForgedLease {
  readonly subnet: string;
  readonly publicIp: string;
  readonly vtepMac: string;
}

/** The lease on the subnet of this index (to 10,000) by the node of this number (1 to 60,000). */
export function forgeLease(subnetIndex: number, node: number): ForgedLease {
  const [high, low] = [node >> 8, node & 255];
  const octets = [high, low].map((octet) => octet.toString(16).padStart(2, "0"));
  return {
    subnet: `10.${64 + (subnetIndex >> 8)}.${subnetIndex & 255}.0/24`,
    publicIp: `198.18.${high}.${low}`,
    vtepMac: `02:00:5e:10:${octets.join(":")}`,
  };
}

/** Leases on the subnets of these indexes, each by a node of its own. */
export function forgeLeases(from: number, to: number): ForgedLease[] {
  return Array.from({ length: to - from }, (_, i) => forgeLease(from + i, from + i + 1));
}

/** What flannel writes for such a node. */
export function leaseWrite(backend: Way["backend"], { subnet, publicIp, vtepMac }: ForgedLease): KeyWrite {
  const data = {
    udp: {},
    vxlan: { BackendType: "vxlan", BackendData: { VNI: 1, VtepMAC: vtepMac } },
    "host-gw": { BackendType: "host-gw" },
  }[backend];
  const value = JSON.stringify({ PublicIP: publicIp, PublicIPv6: null, ...data });
  return { key: keyOf(subnet), value };
}

export function keyOf(subnet: string): string {
  return SUBNETS_PREFIX + subnet.replace("/", "-");
}

/** Makes all forged addresses on-link, as host-gw needs it. */
export async function widenUnderlay(hosts: readonly LabHost[]): Promise<void> {
  for (const [i, host] of hosts.entries())
    await host.namespace.ip([`address add 198.18.255.${i + 1}/16 dev eth0`]);
}
