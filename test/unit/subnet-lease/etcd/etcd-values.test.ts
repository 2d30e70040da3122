import type { IKeyValue } from "etcd3";
import { describe, expect, it } from "vitest";
import {
  prefixRange,
  readEntry,
  readEvents,
  readFirstEntry,
  readHeader,
} from "../../../../src/subnet-lease/etcd/etcd-values.ts";

const kv = (key: string, modRevision: string): IKeyValue => ({
  key: Buffer.from(key),
  value: Buffer.from("value"),
  create_revision: "9007199254740993", // 2^53 + 1
  mod_revision: modRevision,
  version: "1",
  lease: "7587873418329723153",
});

describe("readEntry", () => {
  it("keeps every digit of numbers past 2^53", () => {
    expect(readEntry(kv("a", "9223372036854775807"))).toEqual({
      key: "a",
      value: Buffer.from("value"),
      createRevision: 9007199254740993n,
      modRevision: 9223372036854775807n,
      etcdLeaseId: 7587873418329723153n,
    });
  });

  it("keeps keys apart that are not UTF-8, also from one that looks like them", () => {
    const names = [Buffer.from("a\xff", "latin1"), Buffer.from("a\xfe", "latin1"), Buffer.from("a\xff")];
    const keys = names.map((key) => readEntry({ ...kv("a", "1"), key }).key);
    expect(new Set(keys).size).toBe(names.length);
    expect(keys[2]).toBe("a\xff");
  });
});

describe("readHeader", () => {
  it("reads a cluster id past 2^63", () => {
    const header = { cluster_id: "18446744073709551615", member_id: "1", revision: "7", raft_term: "2" };
    expect(readHeader(header)).toEqual({ clusterId: 2n ** 64n - 1n, revision: 7n });
  });
});

describe("readFirstEntry", () => {
  it("gives null for a range that found nothing, or is not there", () => {
    expect(readFirstEntry({ kvs: [] })).toBeNull();
    expect(readFirstEntry(undefined)).toBeNull();
    expect(readFirstEntry({ kvs: [kv("a", "1")] })?.key).toBe("a");
  });
});

describe("readEvents", () => {
  it("leaves out what is older than the start of the watch", () => {
    const events = [
      { type: "Put", kv: kv("a", "9") },
      { type: "Delete", kv: kv("b", "9") },
      { type: "Put", kv: kv("a", "10") },
      { type: "Delete", kv: kv("b", "11") },
    ] as const;
    expect(readEvents(events, 10n)).toEqual([
      { kind: "put", entry: readEntry(kv("a", "10")) },
      { kind: "delete", key: "b", modRevision: 11n },
    ]);
  });
});

describe("prefixRange", () => {
  it("ends before the first key that does not start with the prefix", () => {
    const { key, range_end } = prefixRange("/a/");
    expect([key.toString(), range_end.toString()]).toEqual(["/a/", "/a0"]);
  });
});
