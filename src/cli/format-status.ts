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
    subnet: status.subnet ?? "none",
    lease: describeLease(lease),
    underlay: underlay === null ? "unknown yet" : describeUnderlay(underlay),
    backend: status.backend === null ? "unknown yet" : `${status.backend}, MTU ${status.overlayMtu ?? "?"}`,
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

function describeRegistry(registry: AgentStatus["registry"]): string {
  const contact =
    registry.lastContactSeconds === null
      ? "never reached"
      : `last answer ${formatSeconds(registry.lastContactSeconds)} ago`;
  const revision = registry.revision === null ? "" : `, revision ${registry.revision}`;
  return `${registry.isConnected ? "connected" : "not connected"}, ${contact}${revision}`;
}

function peerTable(status: AgentStatus): string[] {
  if (status.peers.length === 0) return ["no peers"];
  const hasNotes = status.peers.some((peer) => peer.isHeld);
  const rows = status.peers.map((peer) => [
    peer.subnet,
    peer.underlayIp,
    peer.nodeId ?? "-",
    ...(hasNotes ? [peer.isHeld ? "gone from etcd, kept for now" : ""] : []),
  ]);
  return [
    `${status.peers.length} peer${status.peers.length === 1 ? "" : "s"}`,
    ...formatTable([["SUBNET", "SENT TO", "NODE", ...(hasNotes ? ["NOTE"] : [])], ...rows]),
  ];
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
