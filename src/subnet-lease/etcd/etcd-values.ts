/** etcd's messages as the registry's values. 64-bit numbers are decimal text there and bigint here. */
import { isUtf8 } from "node:buffer";
import type { IEvent, IKeyValue, IResponseHeader } from "etcd3";
import { modRevisionOf } from "../registry-event.ts";
import type { RegistryEntry, RegistryEvent, RegistryHeader } from "../registry.ts";

/** Revision and cluster of an answer. */
export function readHeader(header: IResponseHeader): RegistryHeader {
  return { revision: BigInt(header.revision), clusterId: BigInt(header.cluster_id) };
}

/** One key as stored. */
export function readEntry(kv: IKeyValue): RegistryEntry {
  return {
    key: readKey(kv.key),
    value: kv.value,
    createRevision: BigInt(kv.create_revision),
    modRevision: BigInt(kv.mod_revision),
    etcdLeaseId: BigInt(kv.lease),
  };
}

/** The key that a range over one key has found, or null. */
export function readFirstEntry(
  range: { readonly kvs: readonly IKeyValue[] } | undefined,
): RegistryEntry | null {
  const kv = range?.kvs[0];
  return kv === undefined ? null : readEntry(kv);
}

/** A watch's events, without those from before its start: etcd may send them (its issue 20221). */
export function readEvents(
  events: readonly Pick<IEvent, "type" | "kv">[],
  fromRevision: bigint,
): RegistryEvent[] {
  return events.map(readEvent).filter((event) => modRevisionOf(event) >= fromRevision);
}

function readEvent({ type, kv }: Pick<IEvent, "type" | "kv">): RegistryEvent {
  if (type === "Put") return { kind: "put", entry: readEntry(kv) };
  return { kind: "delete", key: readKey(kv.key), modRevision: BigInt(kv.mod_revision) };
}

/** Different text for different bytes: what is not UTF-8, as no key of ours is, ends in what UTF-8 cannot say. */
function readKey(key: Buffer): string {
  return isUtf8(key) ? key.toString() : `${key.toString("latin1")}\udcff`;
}

/** Which keys a request is about: one alone, or all of a half-open range. */
export interface KeyRange {
  readonly key: Buffer;
  readonly range_end?: Buffer;
}

/** One key alone. */
export function keyRange(key: string): KeyRange {
  return { key: Buffer.from(key) };
}

/** The half-open range of all keys that start with `prefix`, which is not empty and does not end in byte 0xff. */
export function prefixRange(prefix: string): Required<KeyRange> {
  const key = Buffer.from(prefix);
  const end = Buffer.from(key);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { key, range_end: end };
}
