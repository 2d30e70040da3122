import { describe, expect, it } from "vitest";
import { parseLeaseEntry, parseLeaseList } from "../../../src/subnet-lease/lease-list.ts";
import type { RegistryEntry } from "../../../src/subnet-lease/registry.ts";

const PREFIX = "/coreos.com/network";

function entryOf(name: string, value: string): RegistryEntry {
  return {
    key: `${PREFIX}/subnets/${name}`,
    value: Buffer.from(value),
    createRevision: 2n ** 60n + 1n,
    modRevision: 2n ** 60n + 3n,
    etcdLeaseId: 2n ** 62n + 1n,
  };
}

const VALUE = `{"PublicIP":"192.0.2.10","PublicIPv6":null}`;

describe("parseLeaseEntry", () => {
  it("keeps revisions and etcd lease to the last digit", () => {
    expect(parseLeaseEntry(PREFIX, entryOf("10.3.1.0-24", VALUE))).toMatchObject({
      kind: "lease",
      lease: { createRevision: 2n ** 60n + 1n, revision: 2n ** 60n + 3n, etcdLeaseId: 2n ** 62n + 1n },
    });
  });

  it("says why a value is unreadable, and which subnet it occupies", () => {
    const parsed = parseLeaseEntry(PREFIX, entryOf("10.3.1.0-24", "junk"));
    expect(parsed).toMatchObject({ kind: "unreadable", lease: { reason: "it is not JSON in UTF-8" } });
    expect(parsed.kind === "unreadable" && parsed.lease.subnet.toString()).toBe("10.3.1.0/24");
  });

  it("takes no other key for a lease, whatever its value", () => {
    expect(parseLeaseEntry(PREFIX, entryOf("junk\n", VALUE))).toEqual({ kind: "foreign" });
  });
});

describe("parseLeaseList", () => {
  it("sorts by address and width, not by the text of the key, and leaves out what is no lease", () => {
    const names = ["10.3.10.0-24", "10.3.2.0-24", "10.3.2.0-23", "junk", "9.0.0.0-24"];
    const { leases, unreadable } = parseLeaseList(PREFIX, [
      ...names.map((name) => entryOf(name, VALUE)),
      entryOf("10.3.30.0-24", "junk"),
      entryOf("10.3.4.0-24", "junk"),
    ]);
    expect(leases.map(({ subnet }) => subnet.toString())).toEqual([
      "9.0.0.0/24",
      "10.3.2.0/23",
      "10.3.2.0/24",
      "10.3.10.0/24",
    ]);
    expect(unreadable.map(({ subnet }) => subnet.toString())).toEqual(["10.3.4.0/24", "10.3.30.0/24"]);
  });
});
