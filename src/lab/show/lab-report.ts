/** What a lab looks like now: asked of the agents and the files, shown as a table or a picture. */
import type { LabHost } from "../host/lab-host.ts";
import type { Lab } from "../lab.ts";
import { formatTable } from "./format-table.ts";

/** One host, as found. */
export interface HostReport {
  readonly name: string;
  readonly underlayIp: string;
  /** From the subnet file; null when there is none yet. */
  readonly subnet: string | null;
  readonly overlayMtu: number | null;
  readonly agentPid: number | null;
  /** `ready`, why not, `ended`, or `none`. */
  readonly agentState: string;
  readonly peers: number | null;
  readonly pods: readonly { readonly name: string; readonly address: string }[];
}

/** Asks every host at once. An agent that does not answer is a state, not an error. */
export async function reportHosts(lab: Lab): Promise<HostReport[]> {
  return await Promise.all(lab.hosts.map(reportHost));
}

/** One line about the lab as a whole. */
export function describeLab(lab: Lab): string {
  const { name, network, underlayMtu } = lab.record;
  const etcd = lab.etcd.process;
  const state = etcd === null ? "not started" : etcd.isRunning ? `pid ${etcd.pid}` : "ended";
  return `Lab ${name}: overlay ${network}, underlay MTU ${underlayMtu}, etcd ${lab.etcd.url} (${state})\n`;
}

/** The table of `twill lab status`. */
export function formatHosts(reports: readonly HostReport[]): string {
  const rows = reports.map((host) => [
    host.name,
    host.underlayIp,
    host.subnet ?? "-",
    host.agentPid === null ? "-" : `${host.agentPid}`,
    host.agentState,
    host.peers === null ? "-" : `${host.peers}`,
    host.pods.map((pod) => `${pod.name} ${pod.address}`).join(", ") || "-",
  ]);
  return formatTable([["HOST", "UNDERLAY", "SUBNET", "AGENT", "STATE", "PEERS", "PODS"], ...rows]);
}

async function reportHost(host: LabHost): Promise<HostReport> {
  const file = await host.subnetFile().catch(() => null);
  return {
    name: host.name,
    underlayIp: host.underlayIp,
    subnet: file?.subnet.toString() ?? null,
    overlayMtu: file?.overlayMtu ?? null,
    agentPid: host.hasAgent ? host.agent.pid : null,
    ...(await askState(host)),
    pods: host.pods.map(({ name, address }) => ({ name, address })),
  };
}

async function askState(host: LabHost): Promise<{ agentState: string; peers: number | null }> {
  if (!host.hasAgent) return { agentState: "none", peers: null };
  if (!host.agent.isRunning) return { agentState: "ended", peers: null };
  try {
    const status = await host.agent.status();
    return { agentState: status.notReadyReason ?? "ready", peers: status.peers.length };
  } catch {
    return { agentState: "does not answer", peers: null };
  }
}
