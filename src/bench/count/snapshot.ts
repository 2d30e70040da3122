/** Every counter on the way from pod to pod, at one moment. */
import { isDeepStrictEqual } from "node:util";
import { eventually } from "../../lab/eventually.ts";
import type { LabAgent } from "../../lab/host/lab-agent.ts";
import type { Namespace } from "../../lab/machine/namespace.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { Carrier } from "../carry/carrier.ts";
import { NO_DEVICE, parseDeviceCounters, parseProtocolCounters } from "./kernel-counters.ts";
import type { DeviceCounters } from "./kernel-counters.ts";

/** The TUN of both twill and flannel. */
export const OVERLAY_DEVICE = "flannel0";

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
}

/** Longer than a packet waits anywhere, so two equal looks mean that none is on its way. */
const SETTLE_POLL_MS = 100;
const SETTLE_TIMEOUT_MS = 10_000;

/** A device's counters; zeros where it is not there. */
export function deviceOf({ devices }: NamespaceCounters, name: string): DeviceCounters {
  return devices.get(name) ?? NO_DEVICE;
}

/** A protocol's counter; 0 where this kernel does not have it. */
export function protocolOf({ protocols }: NamespaceCounters, name: string): number {
  return protocols.get(name) ?? 0;
}

/** They are moving while packets are on their way. */
async function readSnapshot(place: BenchPlace, agents: Carrier["agents"]): Promise<Snapshot> {
  const [sender, senderHost, underlay, receiverHost, receiver, agentCounters] = await Promise.all([
    readNamespace(place.sender.namespace),
    readNamespace(place.senderHost.namespace),
    readNamespace(place.lab.underlay),
    readNamespace(place.receiverHost.namespace),
    readNamespace(place.receiver.namespace),
    agents === null ? null : readAgents(agents),
  ]);
  return { sender, senderHost, underlay, receiverHost, receiver, agents: agentCounters };
}

/** Waits until the pods' packets have arrived or were dropped, and reads every counter. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function settledSnapshot(
  place: BenchPlace,
  agents: Carrier["agents"],
  signal: AbortSignal,
): Promise<Snapshot> {
  let last: Snapshot | null = null;
  return await eventually(
    async () => {
      const now = await readSnapshot(place, agents);
      const isSettled = last !== null && isDeepStrictEqual(pick(last), pick(now));
      last = now;
      return isSettled ? now : null;
    },
    { what: "see the last packet arrive", timeoutMs: SETTLE_TIMEOUT_MS, pollMs: SETTLE_POLL_MS, signal },
  );
}

/** What the pods' packets move and the agents' talk with etcd does not. */
function pick(snapshot: Snapshot): unknown {
  const { sender, senderHost, receiverHost, receiver, agents } = snapshot;
  return [
    deviceOf(sender, "eth0"),
    deviceOf(senderHost, OVERLAY_DEVICE),
    deviceOf(receiverHost, OVERLAY_DEVICE),
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
