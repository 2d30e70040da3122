/** Agents on both hosts, with the network config that a row asks for. */
import type { AgentStatus } from "../../agent/status.ts";
import { eventually } from "../../lab/eventually.ts";
import type { LabAgent } from "../../lab/host/lab-agent.ts";
import type { LabHost } from "../../lab/host/lab-host.ts";
import { AGENT_READY_TIMEOUT_MS } from "../../lab/lab.ts";
import { labBackendOf } from "../../lab/record/lab-backend.ts";
import { Ipv4Address } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { BenchRow } from "../bench-rows.ts";
import type { OverlayDevice } from "../count/snapshot.ts";
import type { Carrier } from "./carrier.ts";

/** Starts agents on both hosts, for the subnets that the pods are in. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function startAgents(place: BenchPlace, row: BenchRow, signal: AbortSignal): Promise<Carrier> {
  const { lab, senderHost, receiverHost } = place;
  const networkConfig = { Backend: { Type: row.backend } };
  await lab.etcd.putConfig({ Network: lab.network, ...networkConfig });
  const options = row.program === null ? {} : { program: [row.program] };
  const sender = await senderHost.startAgent(row.flags, options);
  const receiver = await receiverHost.startAgent(row.flags, options);
  const stop = async (): Promise<void> => {
    await Promise.all([sender.stop(), receiver.stop()]);
  };
  try {
    const status = await waitForBackend(sender, row, signal);
    await waitForBackend(receiver, row, signal);
    for (const host of [senderHost, receiverHost]) await checkSubnet(host, row);
    const isInAgent = datapathOf(status) !== null;
    return {
      agents: isInAgent ? { sender, receiver } : null,
      overlay: overlayOf(labBackendOf(networkConfig).deviceName, isInAgent),
      overlayMtu: (await senderHost.subnetFile()).overlayMtu,
      stop,
    };
  } catch (err) {
    await stop();
    throw err;
  }
}

/** An agent that starts from its cache carries packets as the row before did, until it has asked etcd. */
async function waitForBackend(agent: LabAgent, row: BenchRow, signal: AbortSignal): Promise<AgentStatus> {
  await agent.waitReady(AGENT_READY_TIMEOUT_MS, signal);
  return await eventually(
    async () => {
      const status = await agent.status();
      if (!status.ready || status.backend !== row.backend || status.peers.length !== 1) {
        throw new Error(`it has ${status.backend ?? "no backend"} and ${status.peers.length} peers`);
      }
      return status;
    },
    { what: `see agent ${agent.pid} use ${row.backend}`, timeoutMs: AGENT_READY_TIMEOUT_MS, signal },
  );
}

async function checkSubnet(host: LabHost, row: BenchRow): Promise<void> {
  const { subnet } = await host.subnetFile();
  const podIp = Ipv4Address.parse(host.pod.address);
  if (podIp !== null && subnet.contains(podIp)) return;
  throw new OverlayError(
    "ERR_LAB_FAILED",
    `Cannot measure ${row.name} on ${host.name}: it leased ${subnet.toString()}, the pod has ${host.pod.address}`,
  );
}

/** Another build may be one that does not tell: those carried packets themselves. */
function datapathOf(status: Partial<AgentStatus>): AgentStatus["datapath"] | undefined {
  return status.datapath;
}

function overlayOf(name: string | null, isInAgent: boolean): OverlayDevice | null {
  return name === null ? null : { name, kind: isInAgent ? "tun" : "vxlan" };
}
