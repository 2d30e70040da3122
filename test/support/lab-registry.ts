/** What tests do to a lab's etcd beside the agents: leases of hosts that are not there, and a cut line to it. */
import { ETCD_PREFIX } from "../../src/lab/lab-etcd.ts";
import type { Lab, LabHost } from "./lab.ts";

/** Under which every lab's leases are. */
export const SUBNETS_PREFIX = `${ETCD_PREFIX}/subnets/`;

/** A lease that no agent holds: `subnet` as in `10.244.7.0-24`. */
export interface ForeignLease {
  readonly subnet: string;
  readonly publicIp: string;
}

/** The value flannel's udp backend stores. */
export function flannelValue(publicIp: string): string {
  return `{"PublicIP":"${publicIp}","PublicIPv6":null}`;
}

/** Writes one key under the lease prefix. */
export async function putLease(lab: Lab, lease: ForeignLease): Promise<void> {
  await lab.etcd.etcdctl(["put", "--", SUBNETS_PREFIX + lease.subnet, flannelValue(lease.publicIp)]);
}

/** Deletes one key under the lease prefix. */
export async function deleteLease(lab: Lab, subnet: string): Promise<void> {
  await lab.etcd.etcdctl(["del", SUBNETS_PREFIX + subnet]);
}

/** Subnet as in etcd's keys, `10.244.7.0-24`, of a host's own prefix. */
export function keyForm(subnet: string): string {
  return subnet.replace("/", "-");
}

/** Drops every packet between a host and etcd, without a word to either, until `restore`. */
export async function cutFromEtcd(host: LabHost): Promise<{ restore(): Promise<void> }> {
  await host.execChecked(["nft", "-f", "-"], {
    stdin: `table ip cut {
  chain out { type filter hook output priority 0; tcp dport 2379 drop; }
  chain in { type filter hook input priority 0; tcp sport 2379 drop; }
}
`,
  });
  return {
    async restore() {
      await host.execChecked(["nft", "delete", "table", "ip", "cut"]);
    },
  };
}
