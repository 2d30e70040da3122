/**
 * The writes of one node to its lease. Every one is a `commit` on what was read before, so that no lease of
 * another node is ever overwritten or deleted; null says that somebody was faster, and the caller lists again.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../net/clock.ts";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { formatLeaseValue, leaseKey, leasePrefix } from "./lease-codec.ts";
import { parseLeaseList } from "./lease-list.ts";
import type { LeaseList, UnreadableLease } from "./lease-list.ts";
import type { LeaseAttributes, SubnetLease } from "./lease.ts";
import type { CommitResult, Registry, RegistryHeader, RegistryWrite } from "./registry.ts";

/** As flannel: a node that is off for a night finds its subnet again. */
const LEASE_TTL_SECONDS = 86_400;
/** An etcd lease with less of its time left than this is renewed before a key is hung on it. */
const FRESH_MS = (LEASE_TTL_SECONDS * 1000) / 2;

/** How long a lease lasts, as far as we know. */
export interface Lifetime {
  /** 0 for a reservation. */
  readonly etcdLeaseId: bigint;
  /** Infinity for a reservation, which never expires. */
  readonly ttlSeconds: number;
  /** By the monotonic clock, in milliseconds. */
  readonly expiresAtMs: number;
}

/** A lease of our own. */
export interface Holding {
  readonly lease: SubnetLease;
  readonly lifetime: Lifetime;
  /** Cluster and revision at which the lease was known to be so. */
  readonly header: RegistryHeader;
}

/** What the writer works on. */
export interface LeaseWriterOptions {
  readonly registry: Registry;
  readonly prefix: string;
  /** What our lease is to say. */
  readonly attributes: LeaseAttributes;
  readonly clock: Clock;
}

/** Reads the list and writes the one lease of its node. */
export class LeaseWriter {
  readonly #registry: Registry;
  readonly #prefix: string;
  readonly #attributes: LeaseAttributes;
  readonly #value: string;
  readonly #clock: Clock;
  /** Id of the etcd lease that this node makes. */
  readonly #ownId: bigint;
  /** The etcd lease that our key hangs on, or will: one for each node, kept across lost races. */
  #own: Lifetime | null = null;
  /** True when this process made it, and may end it. */
  #isGranted = false;

  constructor(options: LeaseWriterOptions) {
    this.#registry = options.registry;
    this.#prefix = options.prefix;
    this.#attributes = options.attributes;
    this.#value = formatLeaseValue(options.attributes);
    this.#clock = options.clock;
    this.#ownId = etcdLeaseIdOf(options.prefix, options.attributes);
  }

  /** Every lease there is. */
  async list(signal: AbortSignal): Promise<{ readonly list: LeaseList; readonly header: RegistryHeader }> {
    const { entries, header } = await this.#registry.list(leasePrefix(this.#prefix), signal);
    return { list: parseLeaseList(this.#prefix, entries), header };
  }

  /**
   * Makes a lease of ours say what it should. Nothing is written when nothing would change, so a restart makes
   * no etcd lease, orphans none, and does not touch the peers.
   * @param header of the list that `lease` comes from
   */
  async adopt(
    lease: SubnetLease | UnreadableLease,
    header: RegistryHeader,
    signal: AbortSignal,
  ): Promise<Holding | null> {
    const lifetime = await this.#prolong(lease, signal);
    const isAsItShouldBe =
      lifetime.etcdLeaseId === lease.etcdLeaseId &&
      lease.attributes !== null &&
      formatLeaseValue(lease.attributes) === this.#value;
    if (!isAsItShouldBe) return this.#put(lease.subnet, lease, lifetime, signal);
    return { lease: { ...lease, attributes: this.#attributes }, lifetime, header };
  }

  /** Claims a subnet that nobody holds. */
  async create(subnet: Ipv4Prefix, signal: AbortSignal): Promise<Holding | null> {
    return this.#put(subnet, null, await this.#ensureOwn(signal), signal);
  }

  /** Deletes a lease of ours; when somebody was faster, it is left as it is. */
  async drop(lease: SubnetLease, signal: AbortSignal): Promise<void> {
    const key = leaseKey(this.#prefix, lease.subnet, lease.subnet6);
    await this.#registry.commit(key, lease.revision, { kind: "delete" }, signal);
  }

  /** Keeps an etcd lease alive; null when it is gone, and with it the keys that hung on it. */
  async renew(etcdLeaseId: bigint, signal: AbortSignal): Promise<Lifetime | null> {
    const askedAtMs = this.#clock.nowMs(); // before the call: etcd counts from some moment after it
    const renewed = await this.#registry.keepAlive(etcdLeaseId, signal);
    const lifetime = renewed === null ? null : lifetimeFrom(askedAtMs, etcdLeaseId, renewed.ttlSeconds);
    if (this.#own?.etcdLeaseId === etcdLeaseId) this.#own = lifetime;
    return lifetime;
  }

  /** Ends the etcd lease that this process made, unless it is `used`. */
  async releaseOwn(used: bigint | null, signal: AbortSignal): Promise<void> {
    const own = this.#own;
    if (own === null || own.etcdLeaseId === used || !this.#isGranted) return;
    this.#own = null;
    await this.#registry.revoke(own.etcdLeaseId, signal);
  }

  /**
   * The lifetime to write with. A reservation stays one. An etcd lease stays in use when its key says that it
   * is this node's at this address; another one may belong to a live machine that shares our node id or our
   * address by mistake, and to hang on it would tie our lives together.
   */
  async #prolong(lease: SubnetLease | UnreadableLease, signal: AbortSignal): Promise<Lifetime> {
    const { etcdLeaseId } = lease;
    if (etcdLeaseId === 0n) return { etcdLeaseId, ttlSeconds: Infinity, expiresAtMs: Infinity };
    if (this.#own?.etcdLeaseId === etcdLeaseId || this.#isOurs(lease)) {
      const renewed = await this.renew(etcdLeaseId, signal);
      if (renewed !== null && renewed.ttlSeconds >= LEASE_TTL_SECONDS) {
        await this.#useAsOwn(renewed, false, signal);
        return renewed;
      }
    }
    return this.#ensureOwn(signal);
  }

  #isOurs(lease: SubnetLease | UnreadableLease): boolean {
    const { underlayIp, nodeId } = this.#attributes;
    if (lease.attributes?.underlayIp.equals(underlayIp) !== true) return false;
    return lease.attributes.nodeId === null || lease.attributes.nodeId === nodeId;
  }

  async #ensureOwn(signal: AbortSignal): Promise<Lifetime> {
    if (this.#own !== null && this.#own.expiresAtMs - this.#clock.nowMs() < FRESH_MS) {
      await this.renew(this.#own.etcdLeaseId, signal);
    }
    if (this.#own !== null) return this.#own;
    const granted = (await this.renew(this.#ownId, signal)) ?? (await this.#grant(signal));
    await this.#useAsOwn(granted, true, signal);
    return granted;
  }

  async #grant(signal: AbortSignal): Promise<Lifetime> {
    const askedAtMs = this.#clock.nowMs();
    const { ttlSeconds } = await this.#registry.grant(LEASE_TTL_SECONDS, signal, this.#ownId);
    return lifetimeFrom(askedAtMs, this.#ownId, ttlSeconds);
  }

  async #useAsOwn(lifetime: Lifetime, isGranted: boolean, signal: AbortSignal): Promise<void> {
    if (this.#own?.etcdLeaseId !== lifetime.etcdLeaseId) {
      await this.releaseOwn(lifetime.etcdLeaseId, signal); // made for a race that was lost
      this.#isGranted = isGranted;
    }
    this.#own = lifetime;
  }

  async #put(
    subnet: Ipv4Prefix,
    previous: SubnetLease | UnreadableLease | null,
    lifetime: Lifetime,
    signal: AbortSignal,
  ): Promise<Holding | null> {
    const subnet6 = previous?.subnet6 ?? null;
    const { etcdLeaseId } = lifetime;
    const write = { kind: "put", value: this.#value, etcdLeaseId } as const;
    const key = leaseKey(this.#prefix, subnet, subnet6);
    const result = await this.#commit(key, previous?.revision ?? 0n, write, signal);
    if (result?.committed !== true) return null;
    const { header } = result;
    const createRevision = previous?.createRevision ?? header.revision;
    const attributes = this.#attributes;
    const lease = { subnet, subnet6, attributes, createRevision, revision: header.revision, etcdLeaseId };
    return { lease, lifetime, header };
  }

  /** Null when the etcd lease to hang the key on has ended meanwhile; the next try makes another. */
  async #commit(
    key: string,
    expectedModRevision: bigint,
    write: RegistryWrite,
    signal: AbortSignal,
  ): Promise<CommitResult | null> {
    try {
      return await this.#registry.commit(key, expectedModRevision, write, signal);
    } catch (err) {
      if (!(err instanceof OverlayError) || err.code !== "ERR_REGISTRY_LEASE_GONE") throw err;
      this.#own = null;
      return null;
    }
  }
}

/**
 * The id of the etcd lease of a node at an address, 63 bits of a hash. That it is known before it exists means
 * that a crash between making it and the first write, or a lost answer, leaves one that the next try finds;
 * ids that etcd chooses would leave another orphan for a day each time. The address is in it so that machines
 * that share a node id by mistake do not share a lifetime.
 */
export function etcdLeaseIdOf(prefix: string, { nodeId, underlayIp }: LeaseAttributes): bigint {
  const identity = JSON.stringify([leasePrefix(prefix), nodeId, underlayIp.toString()]);
  const hash = createHash("sha256").update(identity).digest().readBigUInt64BE();
  return (hash >> 1n) | 1n; // positive for etcd's signed 64 bits, and never 0, which lets etcd choose
}

function lifetimeFrom(askedAtMs: number, etcdLeaseId: bigint, ttlSeconds: number): Lifetime {
  return { etcdLeaseId, ttlSeconds, expiresAtMs: askedAtMs + ttlSeconds * 1000 };
}
