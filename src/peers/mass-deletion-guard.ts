/**
 * Keeps forwarding to peers that vanish from the registry when that looks like an accident of the registry
 * rather than the end of the nodes: wiped, restored or replaced etcd, a wrong `etcdctl del --prefix`, a rogue
 * writer. Pure: the time comes in, and what to remember goes out.
 */
import { findOverlap, MAX_PEERS, sortPeers, subnetKey } from "./peer-set.ts";
import type { Peer, PeerSet } from "./peer.ts";

/** A vanished peer is forwarded to this long, so a lease renewed by delete and put loses no packet. */
export const SETTLE_MS = 1_000;
/** Deletions this close together count as one event: a script that deletes key by key makes some 20 a second. */
export const WINDOW_MS = 10_000;
/** How long peers are held: nodes that live write their lease again within seconds of noticing. */
export const HOLD_MS = 5 * 60_000;
/** Fewer are taken at their word: in a cluster of three hosts one or two leave on purpose. */
export const MIN_MASS = 3;
/** Part of the peers that has to vanish, and one peer more. */
const MASS_SHARE = 0.5;

/** A peer that left the registry not long ago. */
interface MissingPeer {
  readonly peer: Peer;
  /** When it vanished, by `Clock.nowMs`. */
  readonly sinceMs: number;
  /** How many peers there were before the event that it is part of. */
  readonly outOf: number;
  readonly isHeld: boolean;
}

/** What the guard remembers from one step to the next. */
export interface GuardState {
  /** The peers that the registry gave last. */
  readonly present: PeerSet;
  /** Oldest first; no two overlap or share an underlay address, among themselves or with `present`. */
  readonly missing: readonly MissingPeer[];
}

/** What one step looks at. */
export interface GuardInput {
  readonly selected: PeerSet;
  /** By `Clock.nowMs`. */
  readonly nowMs: number;
  /** The registry has other data than before: another cluster id, or a revision that went back. */
  readonly isReplaced: boolean;
  /** Whether a peer may still be forwarded to, which our own new subnet or address can end. */
  readonly isAllowed: (peer: Peer) => boolean;
}

/** What comes of one step. */
export interface GuardResult {
  readonly state: GuardState;
  /** The peers to forward to. */
  readonly peers: PeerSet;
  /** Those of `peers` that are gone from the registry and kept until they come back or {@link HOLD_MS} is over. */
  readonly held: PeerSet;
  /** Once for each event: peers are held from now on. */
  readonly alarm: { readonly cause: "mass-deletion" | "registry-replaced"; readonly missing: number } | null;
  /** When the next step is due though nothing new is observed, by `Clock.nowMs`; null: never. */
  readonly nextCheckMs: number | null;
}

/** State of a guard that forwards to `peers`: none, or those of an earlier run. */
export function startGuard(peers: PeerSet): GuardState {
  return { present: peers, missing: [] };
}

/**
 * One step. A vanished peer is kept {@link SETTLE_MS}; it is held for {@link HOLD_MS} when at least
 * {@link MIN_MASS} and more than half of the peers vanished within {@link WINDOW_MS}, or the registry was
 * replaced. A peer whose subnet or underlay address belongs to a present peer now is let go at once, whatever
 * the reason it is kept for. Below {@link MIN_MASS} a deletion is believed, also that of two peers of two.
 */
export function guardPeers(state: GuardState, input: GuardInput): GuardResult {
  const { selected, nowMs } = input;
  const remembered = rememberMissing(state, input);
  const { missing, alarm } = holdMass(remembered, nowMs, input.isReplaced);
  const kept = missing
    .filter(({ sinceMs, isHeld }) => isHeld || nowMs < sinceMs + SETTLE_MS)
    .slice(0, MAX_PEERS - selected.length);
  return {
    state: { present: selected, missing },
    peers: kept.length === 0 ? selected : sortPeers([...selected, ...kept.map(({ peer }) => peer)]),
    held: sortPeers(kept.filter(({ isHeld }) => isHeld).map(({ peer }) => peer)),
    alarm,
    nextCheckMs: kept.reduce<number | null>((first, peer) => Math.min(first ?? Infinity, endOf(peer)), null),
  };
}

/** The peers that are missing now, without those whose time is over or whose place is taken. */
function rememberMissing(state: GuardState, { selected, nowMs, isAllowed }: GuardInput): MissingPeer[] {
  const present = new Set(selected.map(({ subnet }) => subnetKey(subnet)));
  const vanished = state.present.filter(({ subnet }) => !present.has(subnetKey(subnet)));
  const known = state.missing.filter((peer) => nowMs < forgetAt(peer));
  if (vanished.length + known.length === 0) return [];

  const outOf = state.present.length + known.filter((peer) => isRecent(peer, nowMs)).length;
  const added = vanished.map((peer) => ({ peer, sinceMs: nowMs, outOf, isHeld: false }));
  const underlayIps = new Set(selected.map(({ underlayIp }) => underlayIp.value));
  return [...known, ...added]
    .filter(({ peer }) => isAllowed(peer) && !underlayIps.has(peer.underlayIp.value))
    .filter(({ peer }) => findOverlap(selected, peer.subnet) === null)
    .slice(0, MAX_PEERS); // the oldest: a flood of short-lived leases must not push out what we hold
}

/** Holds what vanished lately, if it was too much to be believed. */
function holdMass(
  missing: readonly MissingPeer[],
  nowMs: number,
  isReplaced: boolean,
): { missing: readonly MissingPeer[]; alarm: GuardResult["alarm"] } {
  const recent = missing.filter((peer) => isRecent(peer, nowMs));
  // The most there were in that time: in a cluster that grows, one that left at first was part of far fewer.
  const before = recent.reduce((most, { outOf }) => Math.max(most, outOf), 0);
  const isMass = recent.length >= MIN_MASS && recent.length > before * MASS_SHARE;
  if (recent.length === 0 || (!isMass && !isReplaced)) return { missing, alarm: null };

  const isNews = !recent.some(({ isHeld }) => isHeld);
  return {
    missing: missing.map((peer) => ({ ...peer, isHeld: true })), // what is not recent is held already, or forgotten
    alarm: isNews
      ? { cause: isReplaced ? "registry-replaced" : "mass-deletion", missing: recent.length }
      : null,
  };
}

function isRecent({ sinceMs }: MissingPeer, nowMs: number): boolean {
  return nowMs < sinceMs + WINDOW_MS;
}

/** When a kept peer is let go. */
function endOf({ sinceMs, isHeld }: MissingPeer): number {
  return sinceMs + (isHeld ? HOLD_MS : SETTLE_MS);
}

/** One that is no longer forwarded to still counts in its window, and comes back when that becomes a mass. */
function forgetAt({ sinceMs, isHeld }: MissingPeer): number {
  return sinceMs + (isHeld ? HOLD_MS : WINDOW_MS);
}
