/** etcd's messages as the registry's values. 64-bit numbers are decimal text there and bigint here. */
import type { IEvent, IKeyValue, IResponseHeader } from "etcd3";
import { modRevisionOf } from "./registry-event.ts";
import type { RegistryEntry, RegistryEvent, RegistryHeader } from "./registry.ts";

export function readHeader(header: IResponseHeader): RegistryHeader {
  return { revision: BigInt(header.revision), clusterId: BigInt(header.cluster_id) };
}

export function readEntry(kv: IKeyValue): RegistryEntry {
  return {
    key: kv.key.toString(),
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
  return { kind: "delete", key: kv.key.toString(), modRevision: BigInt(kv.mod_revision) };
}

/** The half-open range of all keys that start with `prefix`, which is not empty and does not end in byte 0xff. */
export function prefixRange(prefix: string): { readonly key: Buffer; readonly range_end: Buffer } {
  const key = Buffer.from(prefix);
  const end = Buffer.from(key);
  end.writeUInt8(end.readUInt8(end.length - 1) + 1, end.length - 1);
  return { key, range_end: end };
}
