/** Which leases become peers. The registry is written by others: a lease that could take traffic away is refused. */
import type { LeaseView, SubnetLease } from "../subnet-lease/lease.ts";
import { findFault, isCarriedBy } from "./peer-rules.ts";
import type { PeerFault, PeerPlace, SelfIdentity } from "./peer-rules.ts";
import { MAX_PEERS, sortPeers } from "./peer-set.ts";
import type { Peer, PeerSet } from "./peer.ts";
import { SubnetClaims } from "./subnet-claims.ts";

/** Why a lease is not forwarded to. */
export type RejectReason =
  | PeerFault
  /** Its node carries packets another way. Its subnet stays taken. */
  | "other-backend"
  | "overlaps-older-lease"
  | "same-underlay-ip-as-older-lease"
  /** Such as the MAC of an older lease's VTEP: its packets would go to this one. */
  | "same-backend-data-as-older-lease"
  /** {@link MAX_PEERS} older ones are there. */
  | "too-many";

/** A lease that is not forwarded to. */
export interface RejectedLease {
  readonly lease: SubnetLease;
  readonly reason: RejectReason;
}

/** Every lease of a view, sorted into those that are peers and those that are not. */
export interface PeerSelection {
  readonly peers: PeerSet;
  /** In the order of their subnets. */
  readonly rejected: readonly RejectedLease[];
}

/**
 * Sorts the leases of `view` into peers and others. Where two contradict each other (one underlay address,
 * or subnets that overlap) the older one counts, so nobody takes traffic away by writing one more key.
 * The same leases give the same result in whatever order they come.
 */
export function selectPeers(view: LeaseView, self: SelfIdentity, place: PeerPlace): PeerSelection {
  const peers: Peer[] = [];
  const rejected: RejectedLease[] = [];
  const claims = new SubnetClaims(view.leases.map((lease) => lease.subnet.length));
  const underlayIps = new Set<number>();
  const identities = new Set<string>();
  for (const lease of Array.from(view.leases).sort(compareAge)) {
    const peer = peerOf(lease);
    const reason = findFault(peer, self, place) ?? findConflict(peer);
    if (reason === null) {
      underlayIps.add(peer.underlayIp.value);
      identities.add(identityOf(peer));
      peers.push(peer);
    } else {
      rejected.push({ lease, reason });
    }
  }
  rejected.sort((a, b) => compareKeys(a.lease, b.lease));
  return { peers: sortPeers(peers), rejected };

  /** Compares with the older leases, and claims the subnet when it is free. */
  function findConflict(peer: Peer): RejectReason | null {
    if (!claims.claim(peer.subnet)) return "overlaps-older-lease";
    if (!isCarriedBy(peer, place.backendType)) return "other-backend";
    if (underlayIps.has(peer.underlayIp.value)) return "same-underlay-ip-as-older-lease";
    if (identities.has(identityOf(peer))) return "same-backend-data-as-older-lease";
    return peers.length >= MAX_PEERS ? "too-many" : null;
  }

  /** Where nothing needs to differ, the subnet does. */
  function identityOf(peer: Peer): string {
    const identity = place.identityOf(peer.backend) ?? "";
    return identity === "" ? peer.subnet.toString() : identity;
  }
}

function peerOf(lease: SubnetLease): Peer {
  const { underlayIp, backend, nodeId } = lease.attributes;
  return { subnet: lease.subnet, underlayIp, backend, nodeId };
}

/** Oldest first; of keys made by one transaction, the first in order. */
function compareAge(a: SubnetLease, b: SubnetLease): number {
  if (a.createRevision !== b.createRevision) return a.createRevision < b.createRevision ? -1 : 1;
  return compareKeys(a, b);
}

/** A total order: two leases differ in one of their subnets. */
function compareKeys(a: SubnetLease, b: SubnetLease): number {
  const bySubnet = a.subnet.compare(b.subnet);
  if (bySubnet !== 0) return bySubnet;
  const [textA, textB] = [a.subnet6?.toString() ?? "", b.subnet6?.toString() ?? ""];
  return textA === textB ? 0 : textA < textB ? -1 : 1;
}
