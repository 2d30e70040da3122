import type { AgentStatus } from "../agent/status.ts";

/** What an agent said of itself, as text for people: one fact a line, then a table of the peers. */
export function formatStatus(status: AgentStatus): string {
  const facts = Object.entries(describe(status));
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  const { own: _own, ...rejected } = status.rejectedLeases; // our own is no peer, and nothing is wrong with that
  return `${[...lines, "", ...peerTable(status), ...countTable("leases not used", rejected), ...countTable("counters", status.counters)].join("\n")}\n`;
}

function describe(status: AgentStatus): Record<string, string> {
  const { underlay, lease, registry } = status;
  return {
    agent: `twill ${status.version}, pid ${status.pid}, node ${status.nodeId}`,
    ready: status.ready ? "yes" : `no: ${status.notReadyReason ?? "unknown"}`,
    network: status.network ?? "unknown yet",
    ...(status.configProblem ? { config: status.configProblem } : {}), // an agent of an older version does not say
    subnet: status.subnet ?? "none",
    lease: describeLease(lease),
    underlay: underlay === null ? "unknown yet" : describeUnderlay(underlay),
    backend: status.backend === null ? "unknown yet" : `${status.backend}, MTU ${status.overlayMtu ?? "?"}`,
    ...(status.datapath === null ? {} : { engine: describeDatapath(status.datapath) }),
    etcd: describeRegistry(registry),
  };
}

function describeLease(lease: AgentStatus["lease"]): string {
  const end = lease.expiresInSeconds === null ? "" : `, expires in ${formatSeconds(lease.expiresInSeconds)}`;
  return `${lease.state}${end}`;
}

function describeUnderlay(underlay: NonNullable<AgentStatus["underlay"]>): string {
  const { interfaceName, interfaceIp, publicIp } = underlay;
  return `${interfaceName} ${interfaceIp}${publicIp === interfaceIp ? "" : `, peers send to ${publicIp}`}`;
}

const OFFLOADS = { off: "offload off", tcp: "offload of TCP", "tcp+udp": "offload of TCP and UDP" } as const;

function describeDatapath({
  engine,
  queues,
  offload,
  sourcePort,
}: NonNullable<AgentStatus["datapath"]>): string {
  const parts = [engine, `${queues} queue${queues === 1 ? "" : "s"}`, OFFLOADS[offload]];
  return [...parts, ...(sourcePort === "fixed" ? [] : ["source port by flow"])].join(", ");
}

function describeRegistry(registry: AgentStatus["registry"]): string {
  const contact =
    registry.lastContactSeconds === null
      ? "never reached"
      : `last answer ${formatSeconds(registry.lastContactSeconds)} ago`;
  const revision = registry.revision === null ? "" : `, revision ${registry.revision}`;
  return `${registry.isConnected ? "connected" : "not connected"}, ${contact}${revision}`;
}

type Peer = AgentStatus["peers"][number];

/** A column that stands there only when it says something of any peer. */
interface Column {
  readonly title: string;
  readonly cell: (peer: Peer) => string;
  readonly isNeeded?: (peer: Peer) => boolean;
}

const PEER_COLUMNS: readonly Column[] = [
  { title: "SUBNET", cell: (peer) => peer.subnet },
  { title: "SENT TO", cell: (peer) => peer.underlayIp },
  {
    title: "SENT",
    cell: ({ counters }) =>
      counters === null ? "-" : formatTraffic(counters.encapPackets, counters.encapBytes),
  },
  {
    title: "RECEIVED",
    cell: ({ counters }) =>
      counters === null ? "-" : formatTraffic(counters.decapPackets, counters.decapBytes),
  },
  {
    title: "REFUSED",
    cell: ({ counters }) => String(counters?.decapDropped ?? 0),
    isNeeded: ({ counters }) => (counters?.decapDropped ?? 0) > 0,
  },
  { title: "NODE", cell: (peer) => peer.nodeId ?? "-" },
  {
    title: "NOTE",
    cell: (peer) => (peer.isHeld ? "gone from etcd, kept for now" : ""),
    isNeeded: (peer) => peer.isHeld,
  },
];

function peerTable({ peers }: AgentStatus): string[] {
  if (peers.length === 0) return ["no peers"];
  const columns = PEER_COLUMNS.filter(({ isNeeded }) => isNeeded === undefined || peers.some(isNeeded));
  return [
    `${peers.length} peer${peers.length === 1 ? "" : "s"}`,
    ...formatTable([
      columns.map(({ title }) => title),
      ...peers.map((peer) => columns.map(({ cell }) => cell(peer))),
    ]),
  ];
}

function formatTraffic(packets: number, bytes: number): string {
  return packets === 0 ? "0" : `${packets}, ${formatBytes(bytes)}`;
}

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"] as const;

/** Whole bytes below 1 kB, from there three digits, in powers of 1000. */
function formatBytes(bytes: number): string {
  const power = Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.floor(value) : value.toPrecision(3)} ${BYTE_UNITS[power] ?? ""}`;
}

function countTable(title: string, counts: Readonly<Record<string, number>>): string[] {
  const rows = Object.entries(counts).filter(([, count]) => count > 0);
  if (rows.length === 0) return [];
  return ["", title, ...formatTable(rows.map(([name, count]) => [name, String(count)]))];
}

function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
}

/** Whole seconds, minutes or hours, whichever is the largest that has two digits or fewer. */
function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 100) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
