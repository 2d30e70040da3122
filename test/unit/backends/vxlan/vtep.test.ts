import { describe, expect, it } from "vitest";
import { deriveVtepMac, vtepData, vtepMacOf } from "../../../../src/backends/vxlan/vtep.ts";
import { MacAddress } from "../../../../src/net/mac.ts";
import type { JsonValue } from "../../../../src/subnet-lease/lease.ts";

/** Of as many nodes as a cluster may have, so that a wrong bit shows. */
const MANY_NODES = Array.from({ length: 2000 }, (_, i) => `node-${i}`);

const read = (json: string): string | null =>
  vtepMacOf({ type: "vxlan", data: JSON.parse(json) as JsonValue })?.toString() ?? null;

describe("deriveVtepMac", () => {
  it("gives this MAC to this node: another one would cut every peer off at an upgrade", () => {
    expect(deriveVtepMac("0f6c2a1e", 1).toString()).toBe("4e:30:47:57:3d:6f");
    expect(deriveVtepMac("0f6c2a1e", 2).toString()).toBe("8a:8a:77:4e:90:42");
  });

  it("is local and unicast, and another one for each node", () => {
    const macs = MANY_NODES.map((nodeId) => deriveVtepMac(nodeId, 1).toString());
    const firsts = macs.map((mac) => Number.parseInt(mac.slice(0, 2), 16) & 0b11);
    expect(new Set(firsts)).toEqual(new Set([0b10]));
    expect(new Set(macs).size).toBe(MANY_NODES.length);
  });

  it("draws every other bit of the address", () => {
    const values = MANY_NODES.map((nodeId) => BigInt(deriveVtepMac(nodeId, 1).value));
    const anySet = values.reduce((bits, value) => bits | value, 0n);
    const allSet = values.reduce((bits, value) => bits & value, 0xffffffffffffn);
    expect(anySet.toString(16)).toBe("feffffffffff");
    expect(allSet.toString(16)).toBe("20000000000");
  });
});

describe("vtepData", () => {
  it("is what a flannel daemon writes", () => {
    const mac = new MacAddress(0x824b00000001);
    expect(JSON.stringify(vtepData(1, mac))).toBe(
      '{"type":"vxlan","data":{"VNI":1,"VtepMAC":"82:4b:00:00:00:01"}}',
    );
  });
});

describe("vtepMacOf", () => {
  it.each([
    ['{"VNI":1,"VtepMAC":"82:4b:00:00:00:01"}', "82:4b:00:00:00:01"],
    ['{"VtepMAC":"82:4B:00:00:00:0A"}', "82:4b:00:00:00:0a"],
    ['{"vni":7,"vtepmac":"82:4b:00:00:00:01"}', "82:4b:00:00:00:01"],
    ['{"VtepMAC":"82:4b:00:00:00:01","vtepMac":"82:4b:00:00:00:02"}', "82:4b:00:00:00:02"],
  ])("reads %s", (json, mac) => {
    expect(read(json)).toBe(mac);
  });

  it.each([
    "{}",
    "null",
    "[]",
    '"82:4b:00:00:00:01"',
    '{"VtepMAC":null}',
    '{"VtepMAC":7}',
    '{"VtepMAC":""}',
    '{"VtepMAC":"82:4b:00:00:00"}',
    '{"VtepMAC":"82:4b:00:00:00:01 dev eth0"}',
    '{"VtepMAC":"00:00:00:00:00:00"}',
    '{"VtepMAC":"01:00:5e:00:00:01"}',
    '{"VtepMAC":"ff:ff:ff:ff:ff:ff"}',
    '{"VtepMAC":"82:4b:00:00:00:01","vtepMac":null}',
    '{"__proto__":{"VtepMAC":"82:4b:00:00:00:01"}}',
  ])("finds in %s none that frames can be sent to", (json) => {
    expect(read(json)).toBeNull();
  });

  it("finds none where the lease says nothing", () => {
    expect(vtepMacOf({ type: "vxlan" })).toBeNull();
  });
});
