import type { Ipv4Address } from "../../net/ipv4.ts";
import { waitForCarrier } from "../machine/carrier.ts";
import type { Namespace } from "../machine/namespace.ts";
import { LabNode } from "./lab-node.ts";
import type { SubnetFile } from "../../files/subnet-file.ts";

/** Bridge on a host that its pods hang on; Docker's would be docker0. */
const POD_BRIDGE = "br-pods";

/** What stands for a container: a namespace with one address of its host's subnet. */
export class LabPod extends LabNode {
  /** In text, as commands want it. */
  readonly address: string;

  constructor(name: string, namespace: Namespace, address: string) {
    super(name, namespace);
    this.address = address;
  }
}

/**
 * Makes the pods' bridge on a host as Docker would from the subnet file: gateway address, MTU. One that is so
 * already is left alone; after a change of the subnet the old address goes.
 */
export async function ensurePodBridge(
  host: Namespace,
  file: SubnetFile,
  signal?: AbortSignal,
): Promise<void> {
  const wanted = `${file.gateway.toString()}/${file.subnet.length}`;
  const present = await readBridgeAddresses(host, signal);
  const lines =
    present === null ? [`link add ${POD_BRIDGE} type bridge forward_delay 0 mcast_snooping 0`] : [];
  lines.push(`link set ${POD_BRIDGE} mtu ${file.overlayMtu} up`);
  if (present?.includes(wanted) !== true) lines.push(`addr add ${wanted} dev ${POD_BRIDGE}`);
  for (const other of present ?? []) {
    if (other !== wanted) lines.push(`addr del ${other} dev ${POD_BRIDGE}`);
  }
  await host.ip(lines, signal);
}

/** Addresses with their prefix lengths, or null when there is no bridge. */
async function readBridgeAddresses(host: Namespace, signal?: AbortSignal): Promise<string[] | null> {
  const shown = await host.exec(["ip", "-j", "-4", "addr", "show", "dev", POD_BRIDGE], { signal });
  if (shown.code !== 0) return null;
  const links = JSON.parse(shown.stdout) as { addr_info?: { local: string; prefixlen: number }[] }[];
  return links.flatMap((link) => (link.addr_info ?? []).map((info) => `${info.local}/${info.prefixlen}`));
}

/** Connects a pod's namespace to the bridge of its host and gives it its address and default route. Resolves when it carries. */
export async function connectPod(
  host: Namespace,
  pod: Namespace,
  plan: { readonly address: Ipv4Address; readonly number: number; readonly file: SubnetFile },
  signal?: AbortSignal,
): Promise<void> {
  const { address, number, file } = plan;
  const device = podDevice(number);
  await host.ip(
    [
      `link add ${device} mtu ${file.overlayMtu} type veth peer name eth0 mtu ${file.overlayMtu} netns ${pod.name}`,
      `link set ${device} master ${POD_BRIDGE} up`,
    ],
    signal,
  );
  await pod.ip(
    [
      `addr add ${address.toString()}/${file.subnet.length} dev eth0`,
      "link set eth0 up",
      `route add default via ${file.gateway.toString()}`,
    ],
    signal,
  );
  await waitForCarrier(pod, ["eth0"], signal);
  await waitForCarrier(host, [device, POD_BRIDGE], signal);
}

/** Changes the MTU of the bridge and of both ends of every pod's veth; `pods` in the order they were connected. */
export async function setPodMtu(
  host: Namespace,
  pods: readonly Namespace[],
  overlayMtu: number,
  signal?: AbortSignal,
): Promise<void> {
  const devices = [...pods.keys()].map((i) => podDevice(i + 1));
  const lines = [...devices, POD_BRIDGE].map((device) => `link set ${device} mtu ${overlayMtu}`);
  await host.ip(lines, signal);
  for (const pod of pods) await pod.ip([`link set eth0 mtu ${overlayMtu}`], signal);
}

/** The host's end of a pod's veth, counted from 1. */
function podDevice(number: number): string {
  return `pod${number}`;
}
