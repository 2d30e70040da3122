/** From what the registry holds to the set of peers that a backend forwards to. */
import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import type { LeaseView, SubnetLease } from "../subnet-lease/lease.ts";
import type { RegistryMark } from "./cached-state.ts";
import { guardPeers, startGuard } from "./mass-deletion-guard.ts";
import type { GuardResult } from "./mass-deletion-guard.ts";
import { findOlderClaim } from "./older-claim.ts";
import { PeerLog } from "./peer-log.ts";
import { findFault, isCarriedBy } from "./peer-rules.ts";
import type { PeerPlace, SelfIdentity } from "./peer-rules.ts";
import { diffPeers, findInvalidPeer, subnetKey } from "./peer-set.ts";
import type { PeerChanges } from "./peer-set.ts";
import type { Peer, PeerSet } from "./peer.ts";
import { selectPeers } from "./select-peers.ts";
import type { RejectedLease, RejectReason } from "./select-peers.ts";

/** What a tracker needs. */
export interface PeerTrackerOptions {
  readonly self: SelfIdentity;
  readonly place: PeerPlace;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Gets the whole set whenever it has changed, and once when the first view has come, so that what an
   * earlier run left is put right even if there is no peer. Must not throw.
   */
  readonly onPeers: (peers: PeerSet, changes: PeerChanges) => void;
}

/** What `twill status` tells of peers. */
export interface PeerTrackerStatus {
  /** Those that are forwarded to; `isHeld`: gone from the registry, but kept by the guard. */
  readonly peers: readonly (Peer & { readonly isHeld: boolean })[];
  /** How many leases are not used, by reason. */
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
}

/**
 * Least time between two looks at views: one look at 5,000 leases takes some 10 ms, a cluster in motion
 * writes 100 times a second, and a change is to reach the kernel within 100 ms.
 */
export const MIN_INTERVAL_MS = 50;

/** Follows the registry's views, and time where a peer is kept for a while. */
export class PeerTracker {
  readonly #options: PeerTrackerOptions;
  readonly #log: PeerLog;
  #self: SelfIdentity;
  #leaseRevision: bigint | null = null;
  #place: PeerPlace;
  #view: LeaseView | null = null;
  #mark: RegistryMark | null = null;
  /** What the guard looks at: the cached peers, then those of the last view. */
  #selected: PeerSet = [];
  #rejected: ReadonlyMap<RejectReason, number> = new Map();
  #guarded: GuardResult = { state: startGuard([]), peers: [], held: [], alarm: null, nextCheckMs: null };
  #olderClaim: SubnetLease | null = null;
  /** The view or who we are has changed since the last selection. */
  #isStale = false;
  /** A view since the last selection was of another registry than the one before. */
  #isReplaced = false;
  #nextSelectMs = -Infinity;
  #hasDelivered = false;
  #isClosed = false;
  #timer: AbortController | null = null;
  /** When the timer of now ends, by `Clock.nowMs`; infinite while there is none. */
  #timerAtMs = Infinity;

  constructor(options: PeerTrackerOptions) {
    this.#options = options;
    this.#self = options.self;
    this.#place = options.place;
    this.#log = new PeerLog(options.log);
  }

  /**
   * Forwards to the peers of an earlier run until the registry says better. Comes before the first
   * `observe`. A first view without most of them counts as a mass deletion; one of another registry than
   * `registry` as its replacement.
   * @throws {RangeError} when `peers` is not a valid set
   */
  startFrom(peers: PeerSet, registry: RegistryMark | null): void {
    const invalid = findInvalidPeer(peers);
    if (invalid !== null) {
      throw new RangeError(`Cannot start from peers: ${invalid.subnet.toString()} contradicts one before it`);
    }
    this.#mark = registry;
    this.#selected = peers;
    this.#isStale = true;
    this.#step();
  }

  /** Takes a new view of the registry; of views that come thick and fast, only the last counts. */
  observe(view: LeaseView): void {
    const { clusterId, revision } = this.#mark ?? view;
    this.#isReplaced ||= view.clusterId !== clusterId || view.revision < revision;
    this.#mark = { clusterId: view.clusterId, revision: view.revision };
    this.#view = view;
    this.#isStale = true;
    const nowMs = this.#options.clock.nowMs();
    if (nowMs < this.#nextSelectMs) this.#schedule(nowMs);
    else this.#step();
  }

  /**
   * Takes who we are from now on: a new own subnet or underlay address.
   * @param leaseRevision of the last write of our own lease; null while there is none
   */
  setSelf(self: SelfIdentity, leaseRevision: bigint | null = null): void {
    this.#self = self;
    this.#leaseRevision = leaseRevision;
    this.#isStale = true;
    this.#step(); // what contradicts us goes at once
  }

  /** Takes which networks the host reaches without the overlay from now on. */
  setUnderlayPrefixes(underlayPrefixes: readonly Ipv4Prefix[]): void {
    this.#place = { ...this.#place, underlayPrefixes };
    this.#isStale = true;
    this.#step();
  }

  /** The peers that are forwarded to. */
  get peers(): PeerSet {
    return this.#guarded.peers;
  }

  /** The lease that the others forward to in place of ours, because it has our address and is older; or null. */
  get olderClaim(): SubnetLease | null {
    return this.#olderClaim;
  }

  /** Where the registry stood at the last view, for the cache. */
  get registryMark(): RegistryMark | null {
    return this.#mark;
  }

  /** What is forwarded to and what is not. */
  status(): PeerTrackerStatus {
    const held = new Set(this.#guarded.held.map(({ subnet }) => subnetKey(subnet)));
    return {
      peers: this.#guarded.peers.map((peer) => ({ ...peer, isHeld: held.has(subnetKey(peer.subnet)) })),
      rejected: Object.fromEntries(this.#rejected),
    };
  }

  /** Ends the tracking: no call of `onPeers` from now on, and no timer. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.abort();
  }

  /** Selects anew if need be, lets the guard look at the result, and hands on what comes out. */
  #step(): void {
    if (this.#isClosed) return;
    const nowMs = this.#options.clock.nowMs();
    if (this.#isStale) this.#select(nowMs);
    const before = this.#guarded.peers;
    this.#guarded = guardPeers(this.#guarded.state, {
      selected: this.#selected,
      nowMs,
      isReplaced: this.#isReplaced,
      isAllowed: (peer) => this.#isAllowed(peer),
    });
    this.#isReplaced = false;
    const { peers, alarm } = this.#guarded;
    const changes = diffPeers(before, peers);
    if (alarm !== null) this.#log.logAlarm(alarm);
    this.#log.logChanges(changes, nowMs);
    this.#schedule(nowMs);
    if (isEmpty(changes) && (this.#hasDelivered || this.#view === null)) return;
    this.#hasDelivered = true;
    this.#options.onPeers(peers, changes);
  }

  #select(nowMs: number): void {
    this.#isStale = false;
    if (this.#view === null) {
      this.#selected = this.#selected.filter((peer) => this.#isAllowed(peer));
      return;
    }
    const { peers, rejected } = selectPeers(this.#view, this.#self, this.#place);
    this.#selected = peers;
    this.#rejected = countByReason(rejected);
    this.#olderClaim = findOlderClaim(this.#view, this.#self, this.#place);
    this.#nextSelectMs = nowMs + MIN_INTERVAL_MS;
    this.#log.logRejected(
      rejected.filter((entry) => !this.#isFormerSelf(entry)),
      nowMs,
    );
  }

  /** Makes the next step come at its time; an earlier arrangement ends. */
  #schedule(nowMs: number): void {
    const dueMs = [this.#guarded.nextCheckMs, this.#log.dueMs, this.#isStale ? this.#nextSelectMs : null];
    const atMs = Math.min(...dueMs.map((due) => due ?? Infinity));
    if (atMs === this.#timerAtMs) return; // views come a hundred times a second
    this.#timer?.abort();
    this.#timerAtMs = Infinity;
    if (atMs === Infinity || this.#isClosed) return;
    const timer = new AbortController();
    this.#timer = timer;
    this.#timerAtMs = atMs;
    this.#options.clock.sleep(Math.max(0, atMs - nowMs), timer.signal).then(
      () => {
        this.#timerAtMs = Infinity;
        this.#step();
      },
      () => undefined, // aborted: another arrangement stands, or we are closed
    );
  }

  /**
   * A node that lost its state finds its lease by its address. Until it has rewritten that, and in views from before,
   * the lease looks like another node's; it is no news.
   */
  #isFormerSelf({ lease, reason }: RejectedLease): boolean {
    const { subnet } = this.#self;
    if (subnet === null) return reason === "next-hop-self";
    const isViewOlder = (this.#view?.revision ?? 0n) < (this.#leaseRevision ?? 0n);
    return reason === "overlaps-own-subnet" && isViewOlder && lease.subnet.equals(subnet);
  }

  #isAllowed(peer: Peer): boolean {
    const place = this.#place;
    return findFault(peer, this.#self, place) === null && isCarriedBy(peer, place.backendType);
  }
}

function isEmpty({ added, removed, changed }: PeerChanges): boolean {
  return added.length + removed.length + changed.length === 0;
}

function countByReason(rejected: readonly RejectedLease[]): ReadonlyMap<RejectReason, number> {
  const counts = new Map<RejectReason, number>();
  for (const { reason } of rejected) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return counts;
}
