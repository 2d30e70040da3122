import { describe, expect, it } from "vitest";
import { etcdLeaseIdOf } from "../../../src/subnet-lease/lease-writer.ts";
import { attributesOf } from "./leases.ts";

describe("etcdLeaseIdOf", () => {
  const us = attributesOf("192.0.2.10", "us");

  it("stays the same from one version of the agent to the next", () => {
    expect(etcdLeaseIdOf("/coreos.com/network", us)).toBe(4_120_271_217_841_626_091n);
    expect(etcdLeaseIdOf("/coreos.com//network/", us)).toBe(4_120_271_217_841_626_091n);
  });

  it("is another for another network, node or address", () => {
    const ids = [
      etcdLeaseIdOf("/coreos.com/network", us),
      etcdLeaseIdOf("/other/network", us),
      etcdLeaseIdOf("/coreos.com/network", attributesOf("192.0.2.11", "us")),
      etcdLeaseIdOf("/coreos.com/network", attributesOf("192.0.2.10", "them")),
    ];
    expect(new Set(ids).size).toBe(4);
  });

  it("fits etcd's signed 64 bits and is never 0", () => {
    for (let i = 0; i < 1000; i++) {
      const id = etcdLeaseIdOf("/coreos.com/network", attributesOf("192.0.2.10", `n${i}`));
      expect(id > 0n && id < 2n ** 63n).toBe(true);
    }
  });
});
