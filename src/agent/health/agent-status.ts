import type { Underlay } from "../../backends/backend.ts";
import type { PeerCounters } from "../../datapath/packet-engine.ts";
import { peerKeyOf } from "../../datapath/peer-counters.ts";
import type { PeerIdentity } from "../../datapath/peer-counters.ts";
import type { FollowerStatus } from "../../subnet-lease/follow-leases.ts";
import type { LeaseState } from "../../subnet-lease/lease-state.ts";
import { subnetOf } from "../../subnet-lease/lease-state.ts";
import type { Overlay } from "../overlay/overlay.ts";
import type { AgentStatus } from "../status.ts";

/** What a status is made of. */
export interface StatusParts {
  readonly version: string;
  readonly nodeId: string;
  readonly notReadyReason: string | null;
  readonly underlay: Underlay;
  /** Null until a network config is known. */
  readonly overlay: Overlay | null;
  /** Null until leases are followed. */
  readonly follower: FollowerStatus | null;
  readonly configProblem: string | null;
  /** By `Clock.nowMs`. */
  readonly nowMs: number;
}

/** The agent's state in the form that leaves the process. */
export function describeAgent(parts: StatusParts): AgentStatus {
  const { overlay, follower, underlay, nowMs, notReadyReason } = parts;
  const lease: LeaseState = overlay?.keeper.state ?? { kind: "none" };
  const peers = overlay?.tracker.status();
  const countersOf = peerCounterLookup(overlay?.backend.readPeerCounters() ?? []);
  return {
    version: parts.version,
    pid: process.pid,
    nodeId: parts.nodeId,
    ready: notReadyReason === null,
    notReadyReason,
    configProblem: parts.configProblem,
    network: overlay?.config.network.toString() ?? null,
    subnet: subnetOf(lease)?.toString() ?? null,
    underlay: {
      interfaceName: underlay.interfaceName,
      interfaceIp: underlay.interfaceIp.toString(),
      publicIp: underlay.publicIp.toString(),
    },
    backend: overlay?.backend.type ?? null,
    overlayMtu: overlay?.backend.overlayMtu ?? null,
    datapath: overlay?.backend.readDatapath() ?? null,
    lease: describeLease(lease, nowMs),
    registry: {
      isConnected: follower?.isConnected ?? false,
      revision: follower?.revision?.toString() ?? null,
      lastContactSeconds: secondsBetween(follower?.lastContactMs ?? null, nowMs),
      relists: follower?.relists ?? 0,
    },
    peers: (peers?.peers ?? []).map((peer) => ({
      subnet: peer.subnet.toString(),
      underlayIp: peer.underlayIp.toString(),
      nodeId: peer.nodeId,
      isHeld: peer.isHeld,
      counters: countersOf(peer),
    })),
    rejectedLeases: { ...follower?.rejected, ...peers?.rejected },
    counters: overlay?.backend.readCounters() ?? {},
  };
}

/** Peers and their counters come from two places, which need not have heard of a change at the same moment. */
function peerCounterLookup(
  all: readonly PeerCounters[],
): (peer: PeerIdentity) => AgentStatus["peers"][number]["counters"] {
  const byPeer = new Map(
    all.map((peer) => {
      const { subnet: _subnet, underlayIp: _underlayIp, ...counters } = peer;
      return [peerKeyOf(peer), counters];
    }),
  );
  return (peer) => byPeer.get(peerKeyOf(peer)) ?? null;
}

function describeLease(state: LeaseState, nowMs: number): AgentStatus["lease"] {
  if (state.kind !== "held") return { state: state.kind, etcdLeaseId: null, expiresInSeconds: null };
  const { lease, expiresAtMs } = state;
  return {
    state: lease.etcdLeaseId === 0n ? "reservation" : "held",
    etcdLeaseId: lease.etcdLeaseId.toString(),
    expiresInSeconds: expiresAtMs === null ? null : secondsBetween(nowMs, expiresAtMs),
  };
}

/** To the millisecond, never negative. */
function secondsBetween(fromMs: number | null, toMs: number): number | null {
  return fromMs === null ? null : Math.max(0, Math.round(toMs - fromMs)) / 1000;
}
