/** What a set of peers is, and how two of them differ. */
import { isDeepStrictEqual } from "node:util";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import type { Peer, PeerSet } from "./peer.ts";

/**
 * Most peers that we forward to. Whoever may write to the registry may write any number of leases: this
 * bounds what they cost us, far above the 256 nodes of a /16 cut into /24s.
 */
export const MAX_PEERS = 5_000;

/** What changed from one set to the next; a peer is known by its subnet. */
export interface PeerChanges {
  readonly added: PeerSet;
  readonly removed: PeerSet;
  /** As they are now. */
  readonly changed: PeerSet;
}

/** A map key for a prefix: address and length in one number, exact below 2^53. */
export function subnetKey(subnet: Ipv4Prefix): number {
  return prefixKey(subnet.address.value, subnet.length);
}

/** {@link subnetKey} of a prefix that was not made. */
export function prefixKey(address: number, length: number): number {
  return address * 64 + length;
}

/** The peers in the order that a {@link PeerSet} has. */
export function sortPeers(peers: Iterable<Peer>): PeerSet {
  return Array.from(peers).sort((a, b) => a.subnet.compare(b.subnet));
}

/** True when both say the same of the same subnet. */
export function samePeer(a: Peer, b: Peer): boolean {
  return (
    a === b ||
    (a.subnet.equals(b.subnet) &&
      a.underlayIp.equals(b.underlayIp) &&
      a.nodeId === b.nodeId &&
      (a.backend === b.backend || isDeepStrictEqual(a.backend, b.backend)))
  );
}

/** Compares two sets; all three lists are in the order of their subnets. */
export function diffPeers(before: PeerSet, after: PeerSet): PeerChanges {
  const old = new Map(before.map((peer) => [subnetKey(peer.subnet), peer]));
  const added: Peer[] = [];
  const changed: Peer[] = [];
  for (const peer of after) {
    const key = subnetKey(peer.subnet);
    const previous = old.get(key);
    if (previous === undefined) added.push(peer);
    else if (!samePeer(previous, peer)) changed.push(peer);
    old.delete(key);
  }
  return { added, changed, removed: [...old.values()] };
}

/** The first peer that may not stand where it does in a {@link PeerSet}, or null when `peers` is one. */
export function findInvalidPeer(peers: readonly Peer[]): Peer | null {
  const underlayIps = new Set<number>();
  let end = -1;
  for (const peer of peers) {
    const { subnet, underlayIp } = peer;
    if (subnet.address.value <= end || underlayIps.has(underlayIp.value)) return peer;
    underlayIps.add(underlayIp.value);
    end = subnet.last.value;
  }
  return null;
}

/** The peer whose subnet shares addresses with `subnet`, or null. Takes a binary search. */
export function findOverlap(peers: PeerSet, subnet: Ipv4Prefix): Peer | null {
  // The set has no overlaps, so of the peers that start at or before our end only the last can reach us.
  const last = subnet.last.value;
  let low = 0;
  let high = peers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const start = peers[middle]?.subnet.address.value ?? Infinity;
    if (start <= last) low = middle + 1;
    else high = middle;
  }
  const candidate = peers[low - 1];
  return candidate?.subnet.overlaps(subnet) === true ? candidate : null;
}
