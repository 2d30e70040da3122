/** What a lab looks like now: asked of the agents and the files, shown as a table or a picture. */
import type { AgentStatus } from "../../agent/status.ts";
import type { LabAgent } from "../host/lab-agent.ts";
import type { LabHost } from "../host/lab-host.ts";
import type { Lab } from "../lab.ts";
import { isRunning } from "../../files/process-identity.ts";
import { HOST_DEVICE } from "../machine/underlay.ts";
import type { LabRecord } from "../record/lab-record.ts";
import { formatTable } from "./format-table.ts";

/** State of an agent with nothing wrong. */
const READY = "ready";

/** What carries the packets where no agent does, by backend. */
const CARRIED_BY_OTHERS: ReadonlyMap<string, string> = new Map([
  ["vxlan", "kernel"],
  ["host-gw", "routes"],
  ["alloc", "none"],
]);

/** One host, as found. */
export interface HostReport {
  readonly name: string;
  readonly underlayIp: string;
  /** From the subnet file; null when there is none yet. */
  readonly subnet: string | null;
  readonly overlayMtu: number | null;
  readonly agentPid: number | null;
  /** {@link READY}, why not, `ended`, or `none`. */
  readonly agentState: string;
  /** What carries the packets: `native` or `dgram` in the agent, `kernel`, `routes` or `none`; null while unknown. */
  readonly datapath: string | null;
  /** The device that packets to other hosts leave by. */
  readonly device: string;
  readonly peers: number | null;
  readonly pods: readonly { readonly name: string; readonly address: string }[];
}

type AgentReport = Pick<HostReport, "agentPid" | "agentState" | "datapath" | "peers">;

/** Asks every host at once. An agent that does not answer is a state, not an error. */
export async function reportHosts(lab: Lab): Promise<HostReport[]> {
  const device = lab.record.backend.deviceName ?? HOST_DEVICE;
  return await Promise.all(lab.hosts.map((host) => reportHost(host, device)));
}

/** Whether the lab was finished and every agent is ready. */
export function isHealthy(record: LabRecord, hosts: readonly HostReport[]): boolean {
  return record.stage === "up" && hosts.every((host) => host.agentState === READY);
}

/** A line about the lab as a whole, and one more when it was never finished. */
export function describeLab(lab: Lab): string {
  const { name, backend, network, underlayMtu } = lab.record;
  const etcd = lab.etcd.process;
  const state = etcd === null ? "not started" : etcd.isRunning ? `pid ${etcd.pid}` : "ended";
  return `Lab ${name}: backend ${backend.type}, overlay ${network}, underlay MTU ${underlayMtu}, etcd ${lab.etcd.url} (${state})\n${describeStage(lab.record)}`;
}

function describeStage({ stage, maker }: LabRecord): string {
  if (stage === "up") return "";
  return isRunning(maker)
    ? `Not finished yet: process ${maker.pid} is making it\n`
    : `Not finished: its lab up (pid ${maker.pid}) ended before it was; take it down (lab down)\n`;
}

/** The table of `twill lab status`. */
export function formatHosts(reports: readonly HostReport[]): string {
  const rows = reports.map((host) => [
    host.name,
    host.underlayIp,
    host.subnet ?? "-",
    host.agentPid === null ? "-" : `${host.agentPid}`,
    host.agentState,
    host.datapath ?? "-",
    host.peers === null ? "-" : `${host.peers}`,
    host.pods.map((pod) => `${pod.name} ${pod.address}`).join(", ") || "-",
  ]);
  return formatTable([
    ["HOST", "UNDERLAY", "SUBNET", "AGENT", "STATE", "DATAPATH", "PEERS", "PODS"],
    ...rows,
  ]);
}

async function reportHost(host: LabHost, device: string): Promise<HostReport> {
  const file = await host.subnetFile().catch(() => null);
  return {
    name: host.name,
    underlayIp: host.underlayIp,
    subnet: file?.subnet.toString() ?? null,
    overlayMtu: file?.overlayMtu ?? null,
    device,
    ...(await askAgent(host)),
    pods: host.pods.map(({ name, address }) => ({ name, address })),
  };
}

/** The agent says itself which process it is: it may be one that was started by hand since. */
async function askAgent(host: LabHost): Promise<AgentReport> {
  if (!host.hasAgent) return { agentPid: null, agentState: "none", datapath: null, peers: null };
  const { agent } = host;
  try {
    const status = await agent.status();
    const agentState = status.ready ? READY : (status.notReadyReason ?? "not ready");
    return {
      agentPid: status.pid,
      agentState,
      datapath: datapathOf(status),
      peers: status.peers.length,
    };
  } catch (err) {
    return { agentPid: agent.pid, agentState: silence(agent, err), datapath: null, peers: null };
  }
}

/** What carries the packets of a host, in a word, or null while nothing does: an agent tells of its own engine only. */
export function datapathOf({
  ready,
  backend,
  datapath,
}: Pick<AgentStatus, "ready" | "backend" | "datapath">): string | null {
  if (datapath !== null) return datapath.engine;
  return ready ? (CARRIED_BY_OTHERS.get(backend ?? "") ?? null) : null;
}

function silence(agent: LabAgent, err: unknown): string {
  if (isDenied(err)) return "unknown: its socket is open to root only";
  return agent.isRunning ? "does not answer" : "ended";
}

function isDenied(err: unknown): boolean {
  const cause = err instanceof Error ? err.cause : null;
  return cause instanceof Error && "code" in cause && cause.code === "EACCES";
}
