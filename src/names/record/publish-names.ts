/**
 * Keeps this host's record in etcd equal to its names, hung on an etcd lease of its own: when this process is gone, so
 * is the record. What etcd holds is looked at with every renewal, so a key that was deleted, or an etcd that was wiped, is
 * one code path with a changed name.
 */
import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { Bell } from "../../process/bell.ts";
import type { Registry } from "../../subnet-lease/registry.ts";
import { keepTrying } from "../keep-trying.ts";
import type { HostNames } from "./host-names.ts";
import { MAX_RECORD_BYTES, formatNamesRecord, namesKey } from "./names-record.ts";
import type { NamesRecordText } from "./names-record.ts";

/** Of the time to live: leaves two more tries before the record expires. */
const RENEW_AT = 1 / 3;
/** The process ends within 2 s of a signal; the record of one that could not say goodbye expires. */
const REVOKE_DEADLINE_MS = 1_000;
/** A container that restarts in a loop makes no more writes than that. */
const PAUSE_MS = 200;

export interface PublishNamesOptions {
  readonly registry: Registry;
  /** Of every key, as `/coreos.com/network`. */
  readonly prefix: string;
  readonly subnet: Ipv4Prefix;
  readonly ttlSeconds: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export class NamesPublisher {
  readonly #options: PublishNamesOptions;
  readonly #key: string;
  readonly #bell = new Bell();
  #text: string | null = null;
  /** The line that was logged of it, null while everything fits. */
  #leftOut: string | null = null;
  #etcdLeaseId: bigint | null = null;

  constructor(options: PublishNamesOptions) {
    this.#options = options;
    this.#key = namesKey(options.prefix, options.subnet);
  }

  /** These are the names from now on; before the first call nothing is written. */
  publish(names: HostNames): void {
    const record = formatNamesRecord(names);
    this.#tellLeftOut(record); // what is left out is not in the text
    if (record.text === this.#text) return;
    this.#text = record.text;
    this.#bell.ring();
  }

  /** Publishes until the signal is aborted; then removes the record and resolves. */
  async run(signal: AbortSignal): Promise<void> {
    const lines = { failed: "Cannot publish names, will retry", recovered: "Names are published again" };
    try {
      await keepTrying(
        { ...this.#options, ...lines },
        (onSuccess) => this.#keepPublished(onSuccess, signal),
        signal,
      );
    } finally {
      await this.#revoke();
    }
  }

  async #keepPublished(onSuccess: () => void, signal: AbortSignal): Promise<void> {
    const { ttlSeconds, clock } = this.#options;
    for (;;) {
      if (this.#text !== null) await this.#ensure(this.#text, signal);
      onSuccess();
      await this.#bell.wait(ttlSeconds * 1000 * RENEW_AT, clock, signal);
      await clock.sleep(PAUSE_MS, signal);
    }
  }

  /** Makes etcd hold this text on a lease of ours. The same twice writes nothing. */
  async #ensure(text: string, signal: AbortSignal): Promise<void> {
    const { registry, log } = this.#options;
    const etcdLeaseId = await this.#ensureLease(signal);
    const { entry } = await registry.read(this.#key, signal);
    if (entry?.etcdLeaseId === etcdLeaseId && Buffer.from(entry.value).toString() === text) return;
    const write = { kind: "put", value: text, etcdLeaseId } as const;
    const result = await registry.commit(this.#key, entry?.modRevision ?? 0n, write, signal);
    if (!result.committed) {
      const message = `Cannot publish names: somebody else writes ${this.#key}; is there a second docker-names?`;
      throw new OverlayError("ERR_SUBNET_TAKEN", message, { key: this.#key });
    }
    log.debug({ key: this.#key, bytes: text.length }, "Names published");
  }

  #tellLeftOut({ leftOutNames, leftOutOwners }: NamesRecordText): void {
    const line =
      leftOutNames > 0
        ? "Too many names for one record, other hosts do not learn the last ones"
        : leftOutOwners > 0
          ? "Too many names for one record, other hosts do not learn the last addresses' reverse names"
          : null;
    if (line !== null && line !== this.#leftOut)
      this.#options.log.warn({ leftOutNames, leftOutOwners, maxBytes: MAX_RECORD_BYTES }, line);
    this.#leftOut = line;
  }

  async #ensureLease(signal: AbortSignal): Promise<bigint> {
    const { registry, ttlSeconds } = this.#options;
    const held = this.#etcdLeaseId;
    if (held !== null && (await registry.keepAlive(held, signal)) !== null) return held;
    this.#etcdLeaseId = null;
    const { etcdLeaseId } = await registry.grant(ttlSeconds, signal);
    this.#etcdLeaseId = etcdLeaseId;
    return etcdLeaseId;
  }

  async #revoke(): Promise<void> {
    const { registry, log } = this.#options;
    const etcdLeaseId = this.#etcdLeaseId;
    this.#etcdLeaseId = null;
    if (etcdLeaseId === null) return;
    try {
      await registry.revoke(etcdLeaseId, AbortSignal.timeout(REVOKE_DEADLINE_MS));
    } catch (err) {
      log.warn({ err, key: this.#key }, "Cannot remove the names from etcd, they expire");
    }
  }
}
