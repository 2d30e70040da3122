/** Snapshots for tests: nothing but the counters that are given. */
import { NO_DEVICE } from "../../../../src/bench/count/kernel-counters.ts";
import type { DeviceCounters } from "../../../../src/bench/count/kernel-counters.ts";
import type {
  AgentCounters,
  NamespaceCounters,
  OverlayDevice,
  Snapshot,
} from "../../../../src/bench/count/snapshot.ts";

/** One namespace's counters: devices by name, protocols as in `Udp.NoPorts`. */
export interface GivenCounters {
  readonly devices?: Readonly<Record<string, Partial<DeviceCounters>>>;
  readonly protocols?: Readonly<Record<string, number>>;
}

export type GivenSnapshot = Partial<Record<Exclude<keyof Snapshot, "agents" | "overlay">, GivenCounters>> & {
  readonly agents?: { readonly sender: AgentCounters; readonly receiver: AgentCounters };
  /** Default: the TUN of udp. */
  readonly overlay?: OverlayDevice | null;
};

export function snapshotOf(given: GivenSnapshot): Snapshot {
  return {
    sender: countersOf(given.sender),
    senderHost: countersOf(given.senderHost),
    underlay: countersOf(given.underlay),
    receiverHost: countersOf(given.receiverHost),
    receiver: countersOf(given.receiver),
    agents: given.agents ?? null,
    overlay: given.overlay === undefined ? { name: "flannel0", kind: "tun" } : given.overlay,
  };
}

function countersOf({ devices = {}, protocols = {} }: GivenCounters = {}): NamespaceCounters {
  return {
    devices: new Map(Object.entries(devices).map(([name, some]) => [name, { ...NO_DEVICE, ...some }])),
    protocols: new Map(Object.entries(protocols)),
  };
}
