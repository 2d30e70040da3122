/**
 * Where leases live, as seen by the lease logic: a key-value store with revisions, transactions, a watch and
 * expiring leases (etcd v3). Two implementations pass one contract suite: etcd, and memory for tests.
 *
 * Every call fails with `ERR_REGISTRY_UNAVAILABLE` when no answer comes in time, `ERR_REGISTRY_DENIED` when the
 * registry refuses who we are, and `ERR_FILE_FAILED` when a certificate of ours cannot be read; the next call
 * tries all of it anew. No call waits longer than its implementation's deadline.
 */

/** One key as stored. 64-bit numbers are bigint: lease ids and revisions pass 2^53. */
export interface RegistryEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  /** 0 when the key never expires. */
  readonly etcdLeaseId: bigint;
}

/** An answer holds for one revision of one cluster. */
export interface RegistryHeader {
  readonly revision: bigint;
  readonly clusterId: bigint;
}

/** One write of one key. */
export type RegistryEvent =
  | { readonly kind: "put"; readonly entry: RegistryEntry }
  | { readonly kind: "delete"; readonly key: string; readonly modRevision: bigint };

/** What a watch gives at a time: events in the order of their revisions, or none. */
export interface WatchBatch {
  readonly events: readonly RegistryEvent[];
  readonly header: RegistryHeader;
}

/** What one write does to its key. */
export type RegistryWrite =
  | { readonly kind: "put"; readonly value: string; readonly etcdLeaseId: bigint }
  | { readonly kind: "delete" };

/** What came of a `commit` that was answered. */
export type CommitResult =
  | { readonly committed: true; readonly header: RegistryHeader }
  /** The key is not as expected; `current` is what it holds (null: it does not exist). */
  | { readonly committed: false; readonly header: RegistryHeader; readonly current: RegistryEntry | null };

/** A key-value store as leases need it; who opens it closes it. */
export interface Registry {
  /** One key, or null when it does not exist. */
  read(key: string, signal: AbortSignal): Promise<{ entry: RegistryEntry | null; header: RegistryHeader }>;
  /** Every key that starts with `prefix`, in key order. */
  list(prefix: string, signal: AbortSignal): Promise<{ entries: RegistryEntry[]; header: RegistryHeader }>;
  /**
   * Events on keys that start with `prefix`, from `fromRevision` (1 or more) on, until the signal is aborted (then it
   * ends). Any disturbance of the stream throws, and the caller lists again; `ERR_REGISTRY_COMPACTED` when
   * the history before is gone. The first item has no events and says that the watch stands.
   */
  watch(prefix: string, fromRevision: bigint, signal: AbortSignal): AsyncIterable<WatchBatch>;
  /** {@link watch} for one key: who may read that key may watch it, which need not hold for a prefix. */
  watchKey(key: string, fromRevision: bigint, signal: AbortSignal): AsyncIterable<WatchBatch>;
  /**
   * Writes `key` if its last write is still `expectedModRevision` (0: if it does not exist), in one
   * transaction. There is no other way to write.
   *
   * `ERR_REGISTRY_UNAVAILABLE` leaves open whether the write was carried out: its answer may be what was
   * lost. Read the key before the next attempt. `ERR_REGISTRY_LEASE_GONE` when the etcd lease to hang the
   * key on no longer exists; then nothing was written.
   */
  commit(
    key: string,
    expectedModRevision: bigint,
    write: RegistryWrite,
    signal: AbortSignal,
  ): Promise<CommitResult>;
  /**
   * Makes an etcd lease; resolves with its id and the time to live granted, which may be longer (etcd raises
   * it to 1.5 election timeouts).
   * @param etcdLeaseId - its id, 1 to 2^63 - 1; one that stands already makes the call fail with
   *   `ERR_REGISTRY_UNAVAILABLE` and is not renewed. Without it, or with 0, the registry chooses one, and should
   *   the answer be lost, such an etcd lease runs out unused
   */
  grant(
    ttlSeconds: number,
    signal: AbortSignal,
    etcdLeaseId?: bigint,
  ): Promise<{ etcdLeaseId: bigint; ttlSeconds: number }>;
  /** Renews an etcd lease; resolves with its time to live, or null when it no longer exists. */
  keepAlive(etcdLeaseId: bigint, signal: AbortSignal): Promise<{ ttlSeconds: number } | null>;
  /** Ends an etcd lease and deletes the keys that hang on it; one that is gone already is no error. */
  revoke(etcdLeaseId: bigint, signal: AbortSignal): Promise<void>;
  /**
   * Gives up the connection, because the way to the registry has changed: what is under way fails as it does when no
   * answer comes, and the next call makes a new one.
   */
  reconnect(): void;
  /** Leaves no handle and no timer behind. */
  close(): Promise<void>;
}
