import { describe, expect, it } from "vitest";
import {
  VXLAN_OVERHEAD_BYTES,
  overlayMtuOf,
  parseVxlanOptions,
  vxlanDeviceName,
} from "../../../../src/backends/vxlan/vxlan-options.ts";
import type { VxlanOptions } from "../../../../src/backends/vxlan/vxlan-options.ts";
import type { JsonValue } from "../../../../src/subnet-lease/lease.ts";

const parse = (json: string): VxlanOptions =>
  parseVxlanOptions(JSON.parse(json) as Record<string, JsonValue>);

const DEFAULTS: VxlanOptions = {
  vni: 1,
  port: 8472,
  underlayMtu: null,
  isDirectRouting: false,
  isLearning: false,
  hasGroupPolicy: false,
};

describe("parseVxlanOptions", () => {
  it.each<[string, Partial<VxlanOptions>]>([
    ["{}", {}],
    ['{"Type":"vxlan"}', {}],
    ['{"VNI":1,"Port":8472}', {}],
    [
      '{"MTU":1400,"GBP":true,"DirectRouting":true}',
      { underlayMtu: 1400, hasGroupPolicy: true, isDirectRouting: true },
    ],
    ['{"Learning":true}', { isLearning: true }],
    ['{"Learning":false,"GBP":false,"DirectRouting":false}', {}],
    ['{"Name":"x","Flags":[1,{"VNI":7}],"Nested":{"Port":1}}', {}],
    [
      '{"vni":42,"PORT":4789,"mtu":9000,"directrouting":true}',
      { vni: 42, port: 4789, underlayMtu: 9000, isDirectRouting: true },
    ],
    ['{"VNI":7,"vni":8}', { vni: 8 }],
    ['{"VNI":null,"Port":null,"MTU":null,"GBP":null}', {}],
    ['{"__proto__":{"VNI":7}}', {}],
    ['{"VNI":0}', { vni: 0 }],
    ['{"VNI":9999999}', { vni: 9_999_999 }],
    ['{"Port":0}', {}],
    ['{"Port":1}', { port: 1 }],
    ['{"Port":65535}', { port: 65_535 }],
    ['{"MTU":0}', {}],
    ['{"MTU":118}', { underlayMtu: 118 }],
    ['{"MTU":65535}', { underlayMtu: 65_535 }],
  ])("reads %s", (json, differing) => {
    expect(parse(json)).toEqual({ ...DEFAULTS, ...differing });
  });

  it.each([
    [
      "VNI",
      "-1",
      "an integer from 0 to 9999999, as the name of device flannel.VNI has room for seven digits",
    ],
    [
      "VNI",
      "10000000",
      "an integer from 0 to 9999999, as the name of device flannel.VNI has room for seven digits",
    ],
    [
      "VNI",
      "1.5",
      "an integer from 0 to 9999999, as the name of device flannel.VNI has room for seven digits",
    ],
    [
      "VNI",
      '"1"',
      "an integer from 0 to 9999999, as the name of device flannel.VNI has room for seven digits",
    ],
    [
      "VNI",
      "1e999",
      "an integer from 0 to 9999999, as the name of device flannel.VNI has room for seven digits",
      "Infinity",
    ],
    ["Port", "-1", "an integer from 1 to 65535"],
    ["Port", "65536", "an integer from 1 to 65535"],
    ["Port", "[8472]", "an integer from 1 to 65535"],
    ["MTU", "-1", "an integer from 118 to 65535"],
    ["MTU", "117", "an integer from 118 to 65535"],
    ["MTU", "65536", "an integer from 118 to 65535"],
    ["DirectRouting", '"true"', "true or false"],
    ["Learning", "1", "true or false"],
    ["GBP", "{}", "true or false"],
  ])("refuses %s %s", (name, value, demand, shown = value) => {
    expect(() => parse(`{"${name}":${value}}`)).toThrow(
      expect.objectContaining({
        code: "ERR_CONFIG_INVALID",
        message: `Cannot use the vxlan backend: Backend.${name} must be ${demand}, got ${shown}`,
      }),
    );
  });

  it("shows a value that would forge a line of the log as text", () => {
    expect(() => parse('{"VNI":"1\\nlevel=error"}')).toThrow(/got "1\\u000alevel=error"$/);
  });
});

describe("vxlanDeviceName", () => {
  it("is flannel's, and fits the kernel's 15 characters for every VNI that is taken", () => {
    expect(vxlanDeviceName(1)).toBe("flannel.1");
    expect(vxlanDeviceName(9_999_999)).toHaveLength(15);
  });
});

describe("overlayMtuOf", () => {
  it.each([
    [null, 1500, 1450],
    [1400, 1500, 1350],
    [9000, 1500, 1450],
    [1500, 9000, 1450],
    [null, 118, 68],
  ])("with Backend.MTU %s on an interface of %d is %d", (underlayMtu, interfaceMtu, overlayMtu) => {
    expect(overlayMtuOf({ ...DEFAULTS, underlayMtu }, interfaceMtu)).toBe(overlayMtu);
  });

  it("leaves room for exactly the headers around an inner packet", () => {
    expect(1500 - overlayMtuOf(DEFAULTS, 1500)).toBe(VXLAN_OVERHEAD_BYTES);
  });

  it("is refused on an interface that leaves less than an IPv4 link must carry", () => {
    expect(() => overlayMtuOf(DEFAULTS, 117)).toThrow(
      expect.objectContaining({
        code: "ERR_CONFIG_INVALID",
        message:
          "Cannot use the vxlan backend: it needs an underlay MTU of 118 or more, the interface has 117",
      }),
    );
  });
});
