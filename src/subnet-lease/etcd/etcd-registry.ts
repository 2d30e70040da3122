/** The registry that is etcd, API v3, through the npm package etcd3. */
import { OverlayError } from "../../net/overlay-error.ts";
import { keepAliveOnce } from "./etcd-keep-alive.ts";
import type { EtcdOptions } from "./etcd-options.ts";
import { EtcdSession } from "./etcd-session.ts";
import type { EtcdDeps } from "./etcd-session.ts";
import { keyRange, prefixRange, readEntry, readFirstEntry, readHeader } from "./etcd-values.ts";
import { watchEtcd } from "./etcd-watch.ts";
import type {
  CommitResult,
  Registry,
  RegistryEntry,
  RegistryHeader,
  RegistryWrite,
  WatchBatch,
} from "../registry.ts";

/**
 * A registry on these endpoints. Nothing is opened before the first call.
 * @throws {OverlayError} `ERR_OPTION_INVALID`
 */
export function openEtcdRegistry(options: EtcdOptions, deps: EtcdDeps): Registry {
  return new EtcdRegistry(new EtcdSession(options, deps));
}

class EtcdRegistry implements Registry {
  readonly #session: EtcdSession;

  constructor(session: EtcdSession) {
    this.#session = session;
  }

  read(key: string, signal: AbortSignal): Promise<{ entry: RegistryEntry | null; header: RegistryHeader }> {
    return this.#session.ask(`read ${key}`, signal, async ({ etcd }, options) => {
      const answer = await etcd.kv.range({ key: Buffer.from(key) }, options);
      return { entry: readFirstEntry(answer), header: readHeader(answer.header) };
    });
  }

  list(prefix: string, signal: AbortSignal): Promise<{ entries: RegistryEntry[]; header: RegistryHeader }> {
    return this.#session.ask(`list keys under ${prefix}`, signal, async ({ etcd }, options) => {
      const answer = await etcd.kv.range(prefixRange(prefix), options);
      return { entries: answer.kvs.map(readEntry), header: readHeader(answer.header) };
    });
  }

  watch(prefix: string, fromRevision: bigint, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return watchEtcd(this.#session, prefixRange(prefix), fromRevision, signal);
  }

  watchKey(key: string, fromRevision: bigint, signal: AbortSignal): AsyncIterable<WatchBatch> {
    return watchEtcd(this.#session, keyRange(key), fromRevision, signal);
  }

  commit(
    key: string,
    expectedModRevision: bigint,
    write: RegistryWrite,
    signal: AbortSignal,
  ): Promise<CommitResult> {
    const keyBytes = Buffer.from(key);
    const isAsExpected = {
      target: "Mod",
      result: "Equal",
      mod_revision: expectedModRevision.toString(),
    } as const;
    const put = (value: string, etcdLeaseId: bigint) => ({
      request_put: { key: keyBytes, value: Buffer.from(value), lease: etcdLeaseId.toString() },
    });
    const transaction = {
      compare: [{ key: keyBytes, ...isAsExpected }],
      success: [
        write.kind === "put"
          ? put(write.value, write.etcdLeaseId)
          : { request_delete_range: { key: keyBytes } },
      ],
      failure: [{ request_range: { key: keyBytes } }],
    };
    return this.#session.once("write a key", signal, async ({ etcd }, options): Promise<CommitResult> => {
      const answer = await etcd.kv.txn(transaction, options);
      const header = readHeader(answer.header);
      if (answer.succeeded) return { committed: true, header };
      return { committed: false, header, current: readFirstEntry(answer.responses[0]?.response_range) };
    });
  }

  grant(
    ttlSeconds: number,
    signal: AbortSignal,
    etcdLeaseId = 0n, // etcd chooses
  ): Promise<{ etcdLeaseId: bigint; ttlSeconds: number }> {
    return this.#session.once("make an etcd lease", signal, async ({ etcd }, options) => {
      const request = { TTL: ttlSeconds.toString(), ID: etcdLeaseId.toString() };
      const answer = await etcd.leaseClient.leaseGrant(request, options);
      return { etcdLeaseId: BigInt(answer.ID), ttlSeconds: Number(answer.TTL) };
    });
  }

  keepAlive(etcdLeaseId: bigint, signal: AbortSignal): Promise<{ ttlSeconds: number } | null> {
    return this.#session.ask("renew an etcd lease", signal, ({ etcd }, options) =>
      keepAliveOnce(etcd, etcdLeaseId, options),
    );
  }

  async revoke(etcdLeaseId: bigint, signal: AbortSignal): Promise<void> {
    const id = etcdLeaseId.toString();
    try {
      await this.#session.ask("end an etcd lease", signal, ({ etcd }, options) =>
        etcd.leaseClient.leaseRevoke({ ID: id }, options),
      );
    } catch (err) {
      if (!(err instanceof OverlayError && err.code === "ERR_REGISTRY_LEASE_GONE")) throw err;
    }
  }

  reconnect(): void {
    this.#session.reconnect();
  }

  close(): Promise<void> {
    return this.#session.close();
  }
}
