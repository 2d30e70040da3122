/**
 * A registry in memory, for tests: etcd's semantics as far as `Registry` promises them (one contract suite runs
 * on both), time from a `Clock`, and faults that a test can switch on at its edge.
 */
import type { Clock } from "../net/clock.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { MemoryEtcdLease } from "./memory-etcd-lease.ts";
import type {
  CommitResult,
  Registry,
  RegistryEntry,
  RegistryEvent,
  RegistryHeader,
  RegistryWrite,
  WatchBatch,
} from "./registry.ts";
import { keyOf, modRevisionOf } from "./registry-event.ts";
import { WatchQueue } from "./watch-queue.ts";

/** etcd grants no less with its default election timeout of 1 s: 1.5 election timeouts, rounded up. */
const MIN_TTL_SECONDS = 2;
/** Past 2^53, as etcd's own ids are: a caller that passes them through a number fails in its unit tests. */
const FIRST_ETCD_LEASE_ID = 0x6000_0000_0000_0001n;
const FIRST_CLUSTER_ID = 0xcdf8_18f7_0000_0001n;

interface Watch {
  readonly isWatched: (key: string) => boolean;
  readonly fromRevision: bigint;
  readonly queue: WatchQueue;
}

/** The registry of one cluster, empty at first. */
export class MemoryRegistry implements Registry {
  readonly #clock: Clock;
  #clusterId = FIRST_CLUSTER_ID;
  #revision = 1n; // as an empty etcd has it
  #compacted = 0n;
  #nextEtcdLeaseId = FIRST_ETCD_LEASE_ID;
  readonly #entries = new Map<string, RegistryEntry>();
  readonly #history: RegistryEvent[] = [];
  readonly #etcdLeases = new Map<bigint, MemoryEtcdLease>();
  readonly #watches = new Set<Watch>();
  #fault: "none" | "unavailable" | "denied" | "closed" = "none";
  #isNextCommitAnswerLost = false;
  #areWatchesMute = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async read(
    key: string,
    signal: AbortSignal,
  ): Promise<{ entry: RegistryEntry | null; header: RegistryHeader }> {
    await this.#enter("read a key", signal);
    return { entry: this.#entries.get(key) ?? null, header: this.#header() };
  }

  async list(
    prefix: string,
    signal: AbortSignal,
  ): Promise<{ entries: RegistryEntry[]; header: RegistryHeader }> {
    await this.#enter("list keys", signal);
    const entries = [...this.#entries.values()].filter((entry) => entry.key.startsWith(prefix));
    return { entries: entries.sort((a, b) => compareBytes(a.key, b.key)), header: this.#header() };
  }

  watch(prefix: string, fromRevision: bigint, signal: AbortSignal): AsyncGenerator<WatchBatch> {
    return this.#watch((key) => key.startsWith(prefix), fromRevision, signal);
  }

  watchKey(key: string, fromRevision: bigint, signal: AbortSignal): AsyncGenerator<WatchBatch> {
    return this.#watch((written) => written === key, fromRevision, signal);
  }

  async *#watch(
    isWatched: Watch["isWatched"],
    fromRevision: bigint,
    signal: AbortSignal,
  ): AsyncGenerator<WatchBatch> {
    if (fromRevision <= 0n)
      throw new RangeError(`Cannot watch from revision ${fromRevision.toString()}: need 1 or more`);
    if (signal.aborted) return;
    await this.#enter("watch keys", signal);
    if (fromRevision < this.#compacted) throw compactedError(this.#compacted);
    const watch: Watch = { isWatched, fromRevision, queue: new WatchQueue(signal) };
    this.#watches.add(watch);
    try {
      watch.queue.push({ events: [], header: this.#header() });
      this.#deliver(watch, this.#history);
      yield* watch.queue.batches();
    } finally {
      this.#watches.delete(watch);
    }
  }

  async commit(
    key: string,
    expectedModRevision: bigint,
    write: RegistryWrite,
    signal: AbortSignal,
  ): Promise<CommitResult> {
    await this.#enter("write a key", signal);
    const current = this.#entries.get(key) ?? null;
    if ((current?.modRevision ?? 0n) !== expectedModRevision) {
      return { committed: false, header: this.#header(), current };
    }
    if (write.kind === "delete") this.#deleteKeys(current === null ? [] : [key]);
    else this.#put(key, write.value, write.etcdLeaseId);
    if (this.#isNextCommitAnswerLost) {
      this.#isNextCommitAnswerLost = false;
      throw unavailableError("write a key", "the answer was lost");
    }
    return { committed: true, header: this.#header() };
  }

  async grant(
    ttlSeconds: number,
    signal: AbortSignal,
    etcdLeaseId = 0n,
  ): Promise<{ etcdLeaseId: bigint; ttlSeconds: number }> {
    await this.#enter("make an etcd lease", signal);
    if (this.#etcdLeases.has(etcdLeaseId)) {
      throw unavailableError("make an etcd lease", "one of this id stands already");
    }
    const id = etcdLeaseId === 0n ? this.#nextEtcdLeaseId++ : etcdLeaseId;
    const lease = new MemoryEtcdLease(id, Math.max(ttlSeconds, MIN_TTL_SECONDS), this.#clock);
    this.#etcdLeases.set(id, lease);
    void this.#endInTime(lease);
    return { etcdLeaseId: lease.id, ttlSeconds: lease.ttlSeconds };
  }

  async keepAlive(etcdLeaseId: bigint, signal: AbortSignal): Promise<{ ttlSeconds: number } | null> {
    await this.#enter("renew an etcd lease", signal);
    const lease = this.#etcdLeases.get(etcdLeaseId);
    if (lease === undefined) return null;
    lease.renew();
    return { ttlSeconds: lease.ttlSeconds };
  }

  async revoke(etcdLeaseId: bigint, signal: AbortSignal): Promise<void> {
    await this.#enter("end an etcd lease", signal);
    const lease = this.#etcdLeases.get(etcdLeaseId);
    if (lease !== undefined) this.#endEtcdLease(lease);
  }

  reconnect(): void {
    this.dropWatches();
  }

  close(): Promise<void> {
    this.#fault = "closed";
    this.dropWatches();
    for (const lease of this.#etcdLeases.values()) lease.end();
    return Promise.resolve();
  }

  /** False: every call fails and every watch breaks, as with no etcd there. Leases still run out meanwhile. */
  setAvailable(isAvailable: boolean): void {
    this.#fault = isAvailable ? "none" : "unavailable";
    if (!isAvailable) this.dropWatches();
  }

  /** True: every call is refused for who we are. */
  setDenied(isDenied: boolean): void {
    this.#fault = isDenied ? "denied" : "none";
    if (isDenied) this.dropWatches();
  }

  /** The next commit is carried out, but its caller sees `ERR_REGISTRY_UNAVAILABLE`. */
  loseNextCommitAnswer(): void {
    this.#isNextCommitAnswerLost = true;
  }

  /** Another cluster takes this one's place: no keys, no etcd leases, revision 1, another cluster id. */
  wipe(): void {
    this.#clusterId++;
    this.#revision = 1n;
    this.#compacted = 0n;
    this.#history.length = 0;
    this.#entries.clear();
    for (const lease of this.#etcdLeases.values()) lease.end();
    this.#etcdLeases.clear();
    this.dropWatches();
  }

  /** Forgets the history before `revision`. */
  compact(revision: bigint): void {
    if (revision <= this.#compacted || revision > this.#revision) {
      throw new RangeError(
        `Cannot compact at revision ${revision.toString()}: the registry is at ${this.#revision.toString()}`,
      );
    }
    this.#compacted = revision;
    const kept = this.#history.filter((event) => modRevisionOf(event) >= revision);
    this.#history.splice(0, this.#history.length, ...kept);
  }

  /** Breaks every watch, as a lost connection does. */
  dropWatches(): void {
    for (const watch of this.#watches) watch.queue.fail(unavailableError("watch keys", "the stream broke"));
  }

  /** True: watches stand but are not told what is written, as in etcd issues 17529 and 18089. */
  setMute(areWatchesMute: boolean): void {
    this.#areWatchesMute = areWatchesMute;
  }

  /** Gives these events to every watch on their keys, whatever is stored: late, twice, out of order. */
  injectEvents(events: readonly RegistryEvent[]): void {
    for (const watch of this.#watches) {
      const seen = events.filter((event) => watch.isWatched(keyOf(event)));
      if (seen.length > 0) watch.queue.push({ events: seen, header: this.#header() });
    }
  }

  /** How many watches stand: 0 after every consumer has gone. */
  get watchCount(): number {
    return this.#watches.size;
  }

  async #enter(action: string, signal: AbortSignal): Promise<void> {
    await Promise.resolve(); // never answers in the caller's own turn, as nothing behind a network does
    signal.throwIfAborted();
    if (this.#fault === "denied") throw deniedError(action);
    if (this.#fault === "closed") throw unavailableError(action, "it is closed");
    if (this.#fault === "unavailable") throw unavailableError(action, "it does not answer");
  }

  #header(): RegistryHeader {
    return { revision: this.#revision, clusterId: this.#clusterId };
  }

  #put(key: string, value: string, etcdLeaseId: bigint): void {
    const lease = this.#etcdLeases.get(etcdLeaseId);
    if (etcdLeaseId !== 0n && lease === undefined) throw leaseGoneError(etcdLeaseId);
    const previous = this.#entries.get(key);
    if (previous !== undefined) this.#etcdLeases.get(previous.etcdLeaseId)?.keys.delete(key);
    lease?.keys.add(key);
    const modRevision = ++this.#revision;
    const createRevision = previous?.createRevision ?? modRevision;
    const entry = { key, value: Buffer.from(value), createRevision, modRevision, etcdLeaseId };
    this.#entries.set(key, entry);
    this.#publish([{ kind: "put", entry }]);
  }

  /** One revision for all of them, as one transaction of etcd's has. */
  #deleteKeys(keys: readonly string[]): void {
    if (keys.length === 0) return;
    const modRevision = ++this.#revision;
    for (const key of keys) {
      this.#etcdLeases.get(this.#entries.get(key)?.etcdLeaseId ?? 0n)?.keys.delete(key);
      this.#entries.delete(key);
    }
    this.#publish(keys.map((key) => ({ kind: "delete", key, modRevision })));
  }

  #publish(events: readonly RegistryEvent[]): void {
    this.#history.push(...events);
    if (this.#areWatchesMute) return;
    for (const watch of this.#watches) this.#deliver(watch, events);
  }

  #deliver(watch: Watch, events: readonly RegistryEvent[]): void {
    const wanted = events.filter(
      (event) => watch.isWatched(keyOf(event)) && modRevisionOf(event) >= watch.fromRevision,
    );
    if (wanted.length > 0) watch.queue.push({ events: wanted, header: this.#header() });
  }

  async #endInTime(lease: MemoryEtcdLease): Promise<void> {
    if (await lease.runsOut()) this.#endEtcdLease(lease);
  }

  #endEtcdLease(lease: MemoryEtcdLease): void {
    this.#etcdLeases.delete(lease.id);
    lease.end();
    this.#deleteKeys([...lease.keys].sort(compareBytes));
  }
}

/** etcd orders keys by their bytes, which for UTF-8 is not the order of UTF-16 units. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function unavailableError(action: string, state: string): OverlayError {
  return new OverlayError(
    "ERR_REGISTRY_UNAVAILABLE",
    `Cannot ${action}: the registry is unavailable, ${state}`,
  );
}

function deniedError(action: string): OverlayError {
  return new OverlayError("ERR_REGISTRY_DENIED", `Cannot ${action}: the registry denies it`);
}

function compactedError(compactRevision: bigint): OverlayError {
  const revision = compactRevision.toString();
  const message = `Cannot watch keys: the history before revision ${revision} is compacted`;
  return new OverlayError("ERR_REGISTRY_COMPACTED", message, { compactRevision: revision });
}

function leaseGoneError(etcdLeaseId: bigint): OverlayError {
  const id = etcdLeaseId.toString();
  const message = `Cannot write a key: etcd lease ${id} does not exist`;
  return new OverlayError("ERR_REGISTRY_LEASE_GONE", message, { etcdLeaseId: id });
}
