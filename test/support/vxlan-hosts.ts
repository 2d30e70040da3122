/** Nodes of a vxlan overlay for tests: one of twill, or a kernel vxlan device configured by hand as flannel's. */
import type { BackendHost, BackendProcess } from "./backend-hosts.ts";
import type { GivenPeer } from "./backend-child.ts";
import type { BackendData } from "../../src/subnet-lease/lease.ts";

/** flannel's defaults. */
export const VXLAN_DEVICE = "flannel.1";
export const VXLAN_PORT = 8472;

/** What a host's backend is made of, beside its type. */
export type BackendSettings = NonNullable<Parameters<BackendHost["startBackend"]>[0]>;

/** A node, and what others are told of it. */
export interface VxlanNode {
  readonly host: BackendHost;
  readonly peer: GivenPeer;
  /** Of its VTEP. */
  readonly mac: string;
}

/** A node of twill. */
export interface BackendNode extends VxlanNode {
  readonly backend: BackendProcess;
}

/** Starts the vxlan backend, as an agent does: what it advertises is what its peers are told. */
export async function openVxlan(host: BackendHost, settings: BackendSettings = {}): Promise<BackendNode> {
  const backend = await host.startBackend({ type: "vxlan", ...settings });
  const data = (await backend.ask({ do: "advertise" })) as BackendData;
  await backend.ask({ do: "open", subnet: host.subnet });
  const peer = { subnet: host.subnet, underlayIp: host.underlayIp, backend: data };
  return { host, backend, peer, mac: macOf(data) };
}

/** @throws {RangeError} when it is no VTEP's */
function macOf({ data }: BackendData): string {
  const mac = (data as { readonly VtepMAC?: unknown } | undefined)?.VtepMAC;
  if (typeof mac === "string") return mac;
  throw new RangeError(`Not the data of a VTEP: ${JSON.stringify(data)}`);
}

/** Makes the device that a flannel daemon makes, with `ip` alone. */
export async function makeKernelVxlan(host: BackendHost, mac: string): Promise<VxlanNode> {
  const base = host.subnet.replace("/24", "");
  await host.ip(
    `link add ${VXLAN_DEVICE} address ${mac} mtu 1450 type vxlan id 1 dev eth0 local ${host.underlayIp} nolearning dstport ${VXLAN_PORT}`,
    `address add ${base}/32 dev ${VXLAN_DEVICE}`,
    `link set ${VXLAN_DEVICE} up`,
  );
  const data: BackendData = { type: "vxlan", data: { VNI: 1, VtepMAC: mac } };
  return { host, mac, peer: { subnet: host.subnet, underlayIp: host.underlayIp, backend: data } };
}

/** Tells the host's kernel device of a peer, with the three commands of flannel's documentation. */
export async function addPeerByHand(host: BackendHost, { peer, mac }: VxlanNode): Promise<void> {
  const base = peer.subnet.replace("/24", "");
  await host.ip(`neigh replace ${base} lladdr ${mac} dev ${VXLAN_DEVICE} nud permanent`);
  const entry = ["bridge", "fdb", "replace", mac, "dev", VXLAN_DEVICE, "self", "permanent", "dst"];
  await host.namespace.execChecked([...entry, peer.underlayIp]);
  await host.ip(`route replace ${peer.subnet} via ${base} dev ${VXLAN_DEVICE} onlink`);
}

/** Makes nodes of twill know each other. */
export async function introduceAll(...nodes: readonly BackendNode[]): Promise<void> {
  for (const node of nodes) {
    const peers = nodes.filter((other) => other !== node).map(({ peer }) => peer);
    await node.backend.ask({ do: "sync", peers });
  }
}
