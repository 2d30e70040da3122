/** What carries the packets while a row is measured: started before, removed after, the hosts and pods stay. */
import { eventually } from "../../lab/eventually.ts";
import type { LabAgent } from "../../lab/host/lab-agent.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { BenchRow } from "../bench-rows.ts";
import type { OverlayDevice } from "../count/snapshot.ts";
import { startAgents } from "./agent-carrier.ts";
import { clearHost } from "./clear-host.ts";
import { startFlannel } from "./flannel-carrier.ts";
import { addForwardRules } from "./forward-rules.ts";
import { startRoutes } from "./routes-carrier.ts";
import { startVxlanDevices } from "./vxlan-device-carrier.ts";

/** A row's carrier, running. */
export interface Carrier {
  /** Whose counters tell about each packet; null where nobody counts but the kernel. */
  readonly agents: { readonly sender: LabAgent; readonly receiver: LabAgent } | null;
  /** The device that packets to the other host go into; null where that is the underlay's. */
  readonly overlay: OverlayDevice | null;
  /** What is to be the pods' MTU. */
  readonly overlayMtu: number;
  stop(): Promise<void>;
}

const CARRIES_TIMEOUT_MS = 20_000;
const PING_WAIT_MS = 200;

/**
 * Starts a row on the hosts, gives the pods its MTU, and waits until they reach each other. After `stop` the hosts are as
 * before. @throws {OverlayError} `ERR_LAB_FAILED`
 */
export async function startCarrier(place: BenchPlace, row: BenchRow, signal: AbortSignal): Promise<Carrier> {
  const carrier = await start(place, row, signal);
  const stop = async (): Promise<void> => {
    await carrier.stop();
    await Promise.all(place.lab.hosts.map(clearHost));
  };
  try {
    for (const host of place.lab.hosts) await host.setPodMtu(carrier.overlayMtu, signal);
    await waitUntilCarried(place, row.name, signal);
    return { ...carrier, stop };
  } catch (err) {
    await stop();
    throw err;
  }
}

async function start(place: BenchPlace, row: BenchRow, signal: AbortSignal): Promise<Carrier> {
  switch (row.kind) {
    case "routes":
      return await startRoutes(place, signal);
    case "flannel-routes":
      await addForwardRules(place, signal);
      return await startRoutes(place, signal);
    case "flannel-vxlan":
      await addForwardRules(place, signal);
      return await startVxlanDevices(place, signal);
    case "agent":
      return await startAgents(place, row, signal);
    case "flannel":
      return await startFlannel(place, row.program ?? "flanneld", signal);
  }
}

async function waitUntilCarried(place: BenchPlace, name: string, signal: AbortSignal): Promise<void> {
  const { sender, receiver } = place;
  const probe = { count: 1, intervalMs: 10, lingerMs: PING_WAIT_MS, signal };
  await eventually(async () => (await sender.ping(receiver.address, probe)).lost === 0, {
    what: `carry packets with ${name}`,
    timeoutMs: CARRIES_TIMEOUT_MS,
    signal,
  });
}
