/**
 * What we know of every lease key, from lists and watch events that may come twice, late or out of order. No
 * I/O, no time: the same input gives the same leases.
 */
import { parseLeaseEntry } from "./lease-list.ts";
import type { LeaseView, SubnetLease } from "./lease.ts";
import { keyOf, modRevisionOf } from "./registry-event.ts";
import type { RegistryEntry, RegistryEvent, RegistryHeader } from "./registry.ts";

/** A node holds one lease, and nobody has tried us with more nodes; past this somebody floods the registry. */
export const MAX_LEASES = 5_000;
/** Deletions remembered one by one since the last list; 100 a second for 100 s. */
const MAX_DELETED = 10_000;

/** `badKey`: not the name of a lease; `badValue`: a lease that says nothing we can read; `overLimit`: one too many. */
export type RejectReason = "badKey" | "badValue" | "overLimit";

/** A key that was not understood, said once for each write of it. */
export interface Rejection {
  readonly key: string;
  readonly modRevision: bigint;
  readonly reason: RejectReason;
  /** Fit for a log line. */
  readonly detail: string;
}

/** What a list or a batch of events changed. */
export interface TableChange {
  /** Keys whose state is another now. */
  readonly changes: number;
  readonly rejections: readonly Rejection[];
}

/** The last write of one key. */
interface Known {
  readonly modRevision: bigint;
  readonly createRevision: bigint;
  /** What we forward by; after a write that cannot be read it is the one before. */
  readonly lease: SubnetLease | null;
  readonly reason: RejectReason | null;
}

/** The leases of one registry, as lists and events have told. */
export class LeaseTable {
  readonly #prefix: string;
  #known = new Map<string, Known>();
  readonly #deleted = new Map<string, bigint>();
  /** Everything up to this revision is in the table; an event from before it is an old one. */
  #floor = 0n;
  #revision = 0n;
  #clusterId = 0n;
  #view: LeaseView | null = null;
  /** Leases past {@link MAX_LEASES}, left out of the view. */
  #leftOut = 0;

  /** @param prefix of every key, as `/coreos.com/network` */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /**
   * Makes the table equal a list that was made after everything that the table has seen. The list is believed
   * whole, for behind the same address, even with the same cluster id and a larger revision, there may be
   * another history: etcd wiped and filled anew.
   */
  replace(
    entries: readonly RegistryEntry[],
    header: RegistryHeader,
  ): TableChange & { isOtherHistory: boolean } {
    const isOtherHistory = this.#isOtherHistory(entries, header);
    const before = isOtherHistory ? new Map<string, Known>() : this.#known;
    const rejections: Rejection[] = [];
    this.#known = new Map();
    let changes = 0;
    for (const entry of entries) {
      const known = before.get(entry.key);
      this.#put(entry, known, rejections);
      if (known?.modRevision === entry.modRevision) continue;
      changes++;
    }
    for (const key of before.keys()) if (!this.#known.has(key)) changes++;
    this.#deleted.clear();
    this.#floor = this.#revision = header.revision;
    this.#clusterId = header.clusterId;
    this.#view = null;
    return { changes, rejections, isOtherHistory };
  }

  /**
   * Compares the table with a list of the past whose events should all have come meanwhile, and mends it.
   * Whatever changes is something that the watch has not told us.
   */
  audit(entries: readonly RegistryEntry[], header: RegistryHeader): TableChange {
    if (header.clusterId !== this.#clusterId) return { changes: 0, rejections: [] }; // the watch is about to break
    let changes = 0;
    const rejections: Rejection[] = [];
    const listed = new Set<string>();
    for (const entry of entries) {
      listed.add(entry.key);
      if (entry.modRevision <= this.#seenRevision(entry.key)) continue;
      changes++;
      this.#put(entry, this.#known.get(entry.key), rejections);
    }
    for (const [key, { modRevision }] of this.#known) {
      if (listed.has(key) || modRevision > header.revision) continue;
      changes++;
      this.#known.delete(key);
    }
    for (const [key, deletedAt] of this.#deleted) if (deletedAt <= header.revision) this.#deleted.delete(key);
    this.#rise(header.revision);
    if (header.revision > this.#floor) this.#floor = header.revision;
    if (changes > 0) this.#view = null;
    return { changes, rejections };
  }

  /** Applies events in whatever order they come; one that is not newer than what is known changes nothing. */
  apply(events: readonly RegistryEvent[]): TableChange {
    let changes = 0;
    const rejections: Rejection[] = [];
    for (const event of events) {
      const key = keyOf(event);
      const modRevision = modRevisionOf(event);
      if (modRevision <= this.#floor || modRevision <= this.#seenRevision(key)) continue;
      changes++;
      if (event.kind === "put") this.#put(event.entry, this.#known.get(key), rejections);
      else this.#delete(key, modRevision);
      this.#rise(modRevision);
    }
    if (changes > 0) this.#view = null;
    this.#boundDeleted();
    return { changes, rejections };
  }

  /** The leases at the newest revision seen, the oldest {@link MAX_LEASES} when there are more. */
  view(): LeaseView {
    if (this.#view !== null) return this.#view;
    const leases = [...this.#known.values()].flatMap(({ lease }) => (lease === null ? [] : [lease]));
    this.#leftOut = Math.max(0, leases.length - MAX_LEASES);
    this.#view = { leases: sortOldest(leases), revision: this.#revision, clusterId: this.#clusterId };
    return this.#view;
  }

  /** How many leases the view leaves out because there are more than {@link MAX_LEASES}. */
  get leftOut(): number {
    this.view();
    return this.#leftOut;
  }

  /** How many keys are rejected now, by reason; reasons without any are left out. */
  rejected(): Readonly<Partial<Record<RejectReason, number>>> {
    const counts: Partial<Record<RejectReason, number>> = {};
    for (const { reason } of this.#known.values()) {
      if (reason !== null) counts[reason] = (counts[reason] ?? 0) + 1;
    }
    if (this.leftOut > 0) counts.overLimit = this.leftOut;
    return counts;
  }

  #isOtherHistory(entries: readonly RegistryEntry[], header: RegistryHeader): boolean {
    if (this.#revision === 0n) return false;
    const isOlder = (entry: RegistryEntry): boolean => entry.modRevision < this.#seenRevision(entry.key);
    return header.clusterId !== this.#clusterId || header.revision < this.#revision || entries.some(isOlder);
  }

  #seenRevision(key: string): bigint {
    return this.#known.get(key)?.modRevision ?? this.#deleted.get(key) ?? 0n;
  }

  #rise(revision: bigint): void {
    if (revision > this.#revision) this.#revision = revision;
  }

  #put(entry: RegistryEntry, before: Known | undefined, rejections: Rejection[]): void {
    const { key, modRevision, createRevision } = entry;
    this.#deleted.delete(key);
    const read = readLease(this.#prefix, entry);
    if (read.ok) {
      this.#known.set(key, { modRevision, createRevision, lease: read.lease, reason: null });
      return;
    }
    const { reason, detail } = read;
    const isTold = before?.modRevision === modRevision && before.reason === reason;
    if (!isTold) rejections.push({ key, modRevision, reason, detail });
    // Whoever spoils a value must not cut off its node; a key that was deleted in between is another claim.
    const lease = before?.createRevision === createRevision ? before.lease : null;
    this.#known.set(key, { modRevision, createRevision, lease, reason });
  }

  #delete(key: string, modRevision: bigint): void {
    this.#known.delete(key);
    this.#deleted.set(key, modRevision);
  }

  /** Too many to remember one by one: the older half is covered by the floor, which is coarser. */
  #boundDeleted(): void {
    if (this.#deleted.size <= MAX_DELETED) return;
    const byRevision = [...this.#deleted].sort(([, a], [, b]) => compare(a, b));
    for (const [key, revision] of byRevision.slice(0, MAX_DELETED / 2)) {
      this.#deleted.delete(key);
      this.#floor = revision;
    }
  }
}

function readLease(
  prefix: string,
  entry: RegistryEntry,
): { ok: true; lease: SubnetLease } | { ok: false; reason: RejectReason; detail: string } {
  const parsed = parseLeaseEntry(prefix, entry);
  switch (parsed.kind) {
    case "lease":
      return { ok: true, lease: parsed.lease };
    case "unreadable":
      return { ok: false, reason: "badValue", detail: parsed.lease.reason };
    case "foreign":
      return { ok: false, reason: "badKey", detail: "it is not the name of a lease" };
  }
}

/** The oldest claims up to the limit, by subnet: a flood of new ones displaces nobody. */
function sortOldest(leases: SubnetLease[]): readonly SubnetLease[] {
  const kept =
    leases.length <= MAX_LEASES
      ? leases
      : leases.sort((a, b) => compare(a.createRevision, b.createRevision)).slice(0, MAX_LEASES);
  return kept.sort((a, b) => a.subnet.compare(b.subnet));
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}
