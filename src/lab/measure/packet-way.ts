/** The way of one packet from pod to pod, seen at every device it passes. Evidence, not a drawing of intentions. */
import { OverlayError } from "../../net/overlay-error.ts";
import type { LabHost } from "../host/lab-host.ts";
import type { LabPod } from "../host/lab-pod.ts";
import type { Lab } from "../lab.ts";
import type { Namespace } from "../machine/namespace.ts";
import { HOST_DEVICE, UNDERLAY_BRIDGE } from "../machine/underlay.ts";
import { formatTable } from "../show/format-table.ts";
import { describeCarried, describePacket } from "./describe-packet.ts";
import { captureOne } from "./packet-capture.ts";

/** A pod and the host it is on. */
export interface PodPlace {
  readonly host: LabHost;
  readonly pod: LabPod;
}

/** Size of the one packet that is followed: ping's usual one. */
const PACKET_BYTES = 84;

/**
 * Sends one echo request and shows it at each of five devices: the pods', the hosts' that the kernel's routes name, and
 * the underlay's bridge. @throws {OverlayError} `ERR_LAB_FAILED` when it is not seen at one
 */
export async function followPacket(lab: Lab, from: PodPlace, to: PodPlace): Promise<string> {
  const inner = `icmp[icmptype] == icmp-echo and src host ${from.pod.address} and dst host ${to.pod.address}`;
  const outer = `udp and src host ${from.host.underlayIp} and dst host ${to.host.underlayIp}`;
  const outDevice = await routeDevice(from.host.namespace, to.pod.address);
  const inDevice = await routeDevice(to.host.namespace, from.pod.address);
  const captures = await Promise.all([
    captureOne(from.pod.namespace, "eth0", inner),
    captureOne(from.host.namespace, outDevice, inner),
    captureOne(lab.underlay, UNDERLAY_BRIDGE, outDevice === HOST_DEVICE ? inner : outer),
    captureOne(to.host.namespace, inDevice, inner),
    captureOne(to.pod.namespace, "eth0", inner),
  ]);
  await from.pod.ping(to.pod.address, { count: 1, bytes: PACKET_BYTES });
  const [sent, leaving, carried, entering, received] = await Promise.all(
    captures.map((capture) => capture.packet),
  );
  if (!sent || !leaving || !carried || !entering || !received) {
    throw new OverlayError("ERR_LAB_FAILED", "Cannot follow the packet: a capture has no result");
  }
  const [outermost = "", ...inside] = describeCarried(carried);
  return formatTable([
    [`${from.pod.name} eth0`, describePacket(sent)],
    [`${from.host.name} ${outDevice}`, describePacket(leaving)],
    [`underlay ${UNDERLAY_BRIDGE}`, outermost],
    ...inside.map((line) => ["", `  inside: ${line}`]),
    [`${to.host.name} ${inDevice}`, describePacket(entering)],
    [`${to.pod.name} eth0`, describePacket(received)],
  ]);
}

/** Every hop between two pods, as traceroute prints it. */
export async function traceRoute(from: LabPod, to: LabPod): Promise<string> {
  return await from.execChecked(["traceroute", "-n", "-q", "1", "-w", "1", "-m", "8", to.address]);
}

/** The device that packets to `address` leave through. @throws {OverlayError} `ERR_LAB_FAILED` when there is none */
async function routeDevice(namespace: Namespace, address: string): Promise<string> {
  const routes = JSON.parse(await namespace.execChecked(["ip", "-j", "route", "get", address])) as {
    dev?: string;
  }[];
  const device = routes[0]?.dev;
  if (device !== undefined) return device;
  throw new OverlayError("ERR_LAB_FAILED", `Cannot find the route to ${address} in ${namespace.name}`);
}
