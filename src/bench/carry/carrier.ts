/** What carries the packets while a row is measured: started before, stopped after, the hosts and pods stay. */
import type { LabAgent } from "../../lab/host/lab-agent.ts";
import { eventually } from "../../lab/eventually.ts";
import { AGENT_READY_TIMEOUT_MS } from "../../lab/lab.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { BenchRow } from "../bench-rows.ts";
import { startFlannel } from "./flannel-carrier.ts";

/** A row's carrier, running. */
export interface Carrier {
  /** Whose counters tell about dropped packets; null where nobody counts but the kernel. */
  readonly agents: { readonly sender: LabAgent; readonly receiver: LabAgent } | null;
  stop(): Promise<void>;
}

const CARRIES_TIMEOUT_MS = 20_000;
const PING_WAIT_MS = 200;

/** Starts a row on the hosts and waits until the pods reach each other. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function startCarrier(place: BenchPlace, row: BenchRow, signal: AbortSignal): Promise<Carrier> {
  const carrier = await start(place, row, signal);
  try {
    await waitUntilCarried(place, row.name, signal);
    return carrier;
  } catch (err) {
    await carrier.stop();
    throw err;
  }
}

async function start(place: BenchPlace, row: BenchRow, signal: AbortSignal): Promise<Carrier> {
  switch (row.kind) {
    case "routes":
      return await startRoutes(place, signal);
    case "agent":
      return await startAgents(place, row, signal);
    case "flannel":
      return await startFlannel(place, row.program ?? "flanneld", signal);
  }
}

/** What host-gw would set up: the way to the other host's subnet is the other host. */
async function startRoutes({ senderHost, receiverHost }: BenchPlace, signal: AbortSignal): Promise<Carrier> {
  const ways = [
    { at: senderHost.namespace, route: `${await subnetOf(receiverHost)} via ${receiverHost.underlayIp}` },
    { at: receiverHost.namespace, route: `${await subnetOf(senderHost)} via ${senderHost.underlayIp}` },
  ];
  // More specific than the overlay's route, which stays with the device of an agent that has ended.
  for (const { at, route } of ways) await at.ip([`route replace ${route}`], signal);
  return {
    agents: null,
    async stop() {
      for (const { at, route } of ways) await at.ip([`route del ${route}`]);
    },
  };
}

async function subnetOf(host: BenchPlace["senderHost"]): Promise<string> {
  return (await host.subnetFile()).subnet.toString();
}

async function startAgents(place: BenchPlace, row: BenchRow, signal: AbortSignal): Promise<Carrier> {
  const options = row.program === null ? {} : { program: [row.program] };
  const sender = await place.senderHost.startAgent(row.flags, options);
  const receiver = await place.receiverHost.startAgent(row.flags, options);
  const agents = [sender, receiver];
  const stop = async (): Promise<void> => {
    await Promise.all(agents.map((agent) => agent.stop()));
  };
  try {
    for (const agent of agents) await agent.waitReady(AGENT_READY_TIMEOUT_MS, signal);
    for (const agent of agents) await agent.waitForPeers(1, AGENT_READY_TIMEOUT_MS, signal);
    return { agents: { sender, receiver }, stop };
  } catch (err) {
    await stop();
    throw err;
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
