/** Every counter on the way from pod to pod, at one moment. */
import { isDeepStrictEqual } from "node:util";
import { eventually } from "../../lab/eventually.ts";
import type { LabAgent } from "../../lab/host/lab-agent.ts";
import type { Namespace } from "../../lab/machine/namespace.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { Carrier } from "../carry/carrier.ts";
import { NO_DEVICE, parseDeviceCounters, parseProtocolCounters } from "./kernel-counters.ts";
import type { DeviceCounters } from "./kernel-counters.ts";

/** The device on each host that packets to the other host go into. */
export interface OverlayDevice {
  readonly name: string;
  /** What is behind it: a program, or the kernel's own encapsulation. */
  readonly kind: "tun" | "vxlan";
}

/** Counters of one namespace. */
export interface NamespaceCounters {
  readonly devices: ReadonlyMap<string, DeviceCounters>;
  /** As in `Udp.NoPorts`. */
  readonly protocols: ReadonlyMap<string, number>;
}

/** What an agent counted, by its names. */
export type AgentCounters = Readonly<Record<string, number>>;

/** In the order of the way. */
export interface Snapshot {
  readonly sender: NamespaceCounters;
  readonly senderHost: NamespaceCounters;
  readonly underlay: NamespaceCounters;
  readonly receiverHost: NamespaceCounters;
  readonly receiver: NamespaceCounters;
  /** Null where no agent counts. */
  readonly agents: { readonly sender: AgentCounters; readonly receiver: AgentCounters } | null;
  /** Null where packets go into the underlay's device at once. */
  readonly overlay: OverlayDevice | null;
}

type Counted = Pick<Carrier, "agents" | "overlay">;

/** Longer than a packet waits anywhere, so two equal looks mean that none is on its way. */
const SETTLE_POLL_MS = 100;
const SETTLE_TIMEOUT_MS = 10_000;

/** A device's counters; zeros where it is not there. */
export function deviceOf({ devices }: NamespaceCounters, name: string): DeviceCounters {
  return devices.get(name) ?? NO_DEVICE;
}

/** The counters of the overlay's device on a host; zeros where there is none. */
export function overlayDeviceOf(counters: NamespaceCounters, overlay: OverlayDevice | null): DeviceCounters {
  return overlay === null ? NO_DEVICE : deviceOf(counters, overlay.name);
}

/** A protocol's counter; 0 where this kernel does not have it. */
export function protocolOf({ protocols }: NamespaceCounters, name: string): number {
  return protocols.get(name) ?? 0;
}

/** They are moving while packets are on their way. */
async function readSnapshot(place: BenchPlace, { agents, overlay }: Counted): Promise<Snapshot> {
  const [sender, senderHost, underlay, receiverHost, receiver, agentCounters] = await Promise.all([
    readNamespace(place.sender.namespace),
    readNamespace(place.senderHost.namespace),
    readNamespace(place.lab.underlay),
    readNamespace(place.receiverHost.namespace),
    readNamespace(place.receiver.namespace),
    agents === null ? null : readAgents(agents),
  ]);
  return { sender, senderHost, underlay, receiverHost, receiver, agents: agentCounters, overlay };
}

/** Waits until the pods' packets have arrived or were dropped, and reads every counter. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function settledSnapshot(
  place: BenchPlace,
  carrier: Counted,
  signal: AbortSignal,
): Promise<Snapshot> {
  let last: Snapshot | null = null;
  return await eventually(
    async () => {
      const now = await readSnapshot(place, carrier);
      const isSettled = last !== null && isDeepStrictEqual(pick(last), pick(now));
      last = now;
      return isSettled ? now : null;
    },
    { what: "see the last packet arrive", timeoutMs: SETTLE_TIMEOUT_MS, pollMs: SETTLE_POLL_MS, signal },
  );
}

/** What the pods' packets move and the agents' talk with etcd does not. */
function pick(snapshot: Snapshot): unknown {
  const { sender, senderHost, receiverHost, receiver, agents, overlay } = snapshot;
  return [
    deviceOf(sender, "eth0"),
    overlayDeviceOf(senderHost, overlay),
    overlayDeviceOf(receiverHost, overlay),
    deviceOf(receiver, "eth0"),
    protocolOf(receiver, "Udp.InDatagrams"),
    agents,
  ];
}

async function readNamespace(namespace: Namespace): Promise<NamespaceCounters> {
  const [devices, protocols] = await Promise.all([
    namespace.execChecked(["ip", "-j", "-s", "link", "show"]),
    namespace.execChecked(["cat", "/proc/net/snmp"]),
  ]);
  return { devices: parseDeviceCounters(devices), protocols: parseProtocolCounters(protocols) };
}

async function readAgents(agents: NonNullable<Carrier["agents"]>): Promise<Snapshot["agents"]> {
  const [sender, receiver] = await Promise.all([countersOf(agents.sender), countersOf(agents.receiver)]);
  return { sender, receiver };
}

async function countersOf(agent: LabAgent): Promise<AgentCounters> {
  return (await agent.status()).counters;
}
