/** Leases that somebody with write access to etcd makes up, each to take packets that are not its own. */
import { SUBNETS_PREFIX } from "./lab-registry.ts";
import type { Lab, LabHost } from "./lab.ts";
import { vtepMacOf } from "./stranger-lab.ts";

export type BackendType = "udp" | "vxlan" | "host-gw";

/** Keys, as `10.244.7.0-24`, and values. */
export type Leases = ReadonlyMap<string, string>;

/** Agents lease below it. */
export const SUBNET_MAX = "10.244.99.0";
/** Subnet of a lease that says it is to be reached by way of the one that is lied to. */
export const BY_WAY_OF_ITSELF = "10.244.210.0";
/** Nobody has it. */
const NOBODY = "192.0.2.66";
/** The underlay's: the network itself, and all hosts. */
const [UNDERLAY, BROADCAST] = ["192.0.2.0", "192.0.2.255"];

/** What a lease says. */
interface Claim {
  readonly publicIp: string;
  readonly vtepMac?: string;
  readonly nodeId?: string;
}

/** A lease of this backend as flannel stores it. */
export function leaseValue(type: BackendType, { publicIp, vtepMac, nodeId }: Claim): string {
  const data = type === "vxlan" ? { VNI: 1, VtepMAC: vtepMac ?? unusedMac(publicIp) } : undefined;
  return JSON.stringify({
    PublicIP: publicIp,
    PublicIPv6: null,
    ...(type === "udp" ? {} : { BackendType: type }),
    ...(data && { BackendData: data }),
    ...(nodeId !== undefined && { NodeID: nodeId }),
  });
}

/** Leases of which no agent may believe one; most lie to `victim`. */
export async function hostileLeases(lab: Lab, type: BackendType, victim: LabHost): Promise<Leases> {
  const value = (publicIp: string): string => leaseValue(type, { publicIp });
  const own = (await victim.subnetFile()).subnet.address;
  const around = own.toString().replace(/\.\d+\.0$/, (end) => `.${Number(end.split(".")[1]) & ~1}.0`);
  const places = ["0.0.0.0-0", "0.0.0.0-1", "192.168.77.0-24", `${UNDERLAY}-24`, "192.0.2.252-30"];
  const overlaps = [
    `${own.toString()}-25`,
    `${own.plus(128).toString()}-25`,
    `${around}-23`,
    "10.244.0.0-16",
  ];
  const nextHops = [
    victim.underlayIp,
    ...["127.0.0.1", "0.0.0.0", "224.0.0.9", "255.255.255.255", BROADCAST, UNDERLAY],
    ...["169.254.0.7", "240.0.0.1", "10.244.200.7", own.plus(2).toString(), "2001:db8::7"],
  ];
  const garbage = [
    "not json",
    "[]",
    "{",
    "null",
    '{"PublicIP":7}',
    `{"PublicIP":"${NOBODY}"`,
    "x".repeat(5_000),
  ];
  const leases = new Map<string, string>();
  for (const key of [...places, ...overlaps]) leases.set(key, value(NOBODY));
  for (const [i, text] of [...nextHops.map(value), ...garbage].entries())
    leases.set(`10.244.${140 + i}.0-24`, text);
  leases.set(
    `${BY_WAY_OF_ITSELF}-24`,
    leaseValue(type, { publicIp: victim.underlayIp, nodeId: "00000000-0000-4000-8000-000000000000" }),
  );
  if (type === "vxlan") for (const [key, text] of await lyingMacs(lab)) leases.set(key, text);
  return leases;
}

/** Frames to them would go to nobody, to everybody, or to this lease instead of an older one. */
async function lyingMacs(lab: Lab): Promise<[string, string][]> {
  const taken = await Promise.all(lab.hosts.map((host) => vtepMacOf(lab, host)));
  const macs = ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "junk", ...taken];
  return macs.map((vtepMac, i) => [
    `10.244.${220 + i}.0-24`,
    leaseValue("vxlan", { publicIp: `192.0.2.${70 + i}`, vtepMac }),
  ]);
}

/** Writes them in their order. */
export async function writeLeases(lab: Lab, leases: Leases): Promise<void> {
  for (const [key, value] of leases) await lab.etcd.etcdctl(["put", "--", SUBNETS_PREFIX + key, value]);
}

function unusedMac(address: string): string {
  const last = Number(/\d+$/.exec(address)?.[0] ?? 0) & 255;
  return `02:00:5e:00:53:${last.toString(16).padStart(2, "0")}`;
}
