import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { Ipv6Address, Ipv6Prefix } from "../../../src/net/ipv6.ts";
import {
  configKey,
  formatLeaseValue,
  leaseKey,
  leasePrefix,
  MAX_LEASE_VALUE_BYTES,
  parseLeaseKey,
  parseLeaseValue,
} from "../../../src/subnet-lease/lease-codec.ts";
import type { LeaseAttributes } from "../../../src/subnet-lease/lease.ts";

const PREFIX = "/coreos.com/network";

/** The key that ends in `name`, read back as text; null when it is refused. */
function readName(name: string): string | null {
  const key = parseLeaseKey(PREFIX, `${PREFIX}/subnets/${name}`);
  if (key === null) return null;
  return key.subnet6 === null ? key.subnet.toString() : `${key.subnet.toString()} ${key.subnet6.toString()}`;
}

/** The value read and written again; its reason when it is refused. */
function rewrite(text: string): string {
  const result = parseLeaseValue(Buffer.from(text));
  return result.ok ? formatLeaseValue(result.attributes) : result.reason;
}

function attributesOf(underlayIp: string, more: Partial<LeaseAttributes> = {}): LeaseAttributes {
  const address = Ipv4Address.parse(underlayIp);
  if (address === null) throw new Error(`${underlayIp} is no address`);
  return { underlayIp: address, underlayIp6: null, backend: { type: "" }, nodeId: null, ...more };
}

describe("leasePrefix", () => {
  it.each([
    ["/coreos.com/network", "/coreos.com/network/subnets/"],
    ["/coreos.com/network/", "/coreos.com/network/subnets/"],
    ["//coreos.com///network//", "/coreos.com/network/subnets/"],
    ["coreos.com/network", "coreos.com/network/subnets/"],
    ["/a/../b/.", "/b/subnets/"],
    ["/", "/subnets/"],
    ["", "subnets/"],
  ])("cleans %j as a path", (prefix, expected) => expect(leasePrefix(prefix)).toBe(expected));
});

describe("configKey", () => {
  it("stands beside the leases", () => {
    expect(configKey("/coreos.com/network/")).toBe("/coreos.com/network/config");
  });
});

describe("parseLeaseKey", () => {
  it("reads flannel's IPv4 key (K1)", () => expect(readName("10.12.13.0-24")).toBe("10.12.13.0/24"));

  it("reads flannel's dual-stack key (K2)", () => {
    expect(readName("10.12.13.0-24&fd00:12:13::-56")).toBe("10.12.13.0/24 fd00:12:13::/56");
  });

  it.each([
    "10",
    "10.12.13.0",
    "10.12.13-24",
    "10.12.13.300-24",
    "10.12.13.0-24hi",
    "&2001::-56",
    "10.12.13.0-24&:12:13:-56",
    "10.12.13.0-24&20011::-56",
    "10.12.13.0-24&2001-56",
    "10.12.13.0-24&2001::",
    "10.12.13.0-24&2001::-56hi",
  ])("refuses what flannel refuses (K3): %s", (name) => expect(readName(name)).toBeNull());

  it.each([
    ["host bits", "10.12.13.1-24"],
    ["IPv6 host bits", "10.12.13.0-24&fd00:12:13::1-56"],
    ["a leading zero in the length", "10.12.13.0-024"],
    ["a leading zero in the address", "010.12.13.0-24"],
    ["text before the address", "x10.12.13.0-24"],
    ["further path elements", "deeper/10.12.13.0-24"],
    ["upper-case hex", "10.12.13.0-24&FD00:12:13::-56"],
    ["IPv6 text that is not canonical", "10.12.13.0-24&fd00:12:13:0::-56"],
    ["the whole address space", "0.0.0.0-0"],
    ["a /31", "10.12.13.0-31"],
    ["a /32", "10.12.13.0-32"],
    ["a /33", "10.12.13.0-33"],
    ["the whole IPv6 address space", "10.12.13.0-24&::-0"],
    ["an IPv6 /127", "10.12.13.0-24&fd00::-127"],
    ["an empty name", ""],
    ["a trailing line end", "10.12.13.0-24\n"],
  ])("refuses %s", (_, name) => expect(readName(name)).toBeNull());

  it.each([
    ["128.0.0.0-1", "128.0.0.0/1"],
    ["10.12.13.4-30", "10.12.13.4/30"],
    ["10.12.13.0-24&8000::-1", "10.12.13.0/24 8000::/1"],
    ["10.12.13.0-24&fd00::4-126", "10.12.13.0/24 fd00::4/126"],
  ])("takes the shortest and longest lengths: %s", (name, expected) => expect(readName(name)).toBe(expected));

  it("refuses a key of a sibling that starts alike", () => {
    expect(parseLeaseKey(PREFIX, `${PREFIX}/subnets-old/10.1.2.0-24`)).toBeNull();
    expect(parseLeaseKey(PREFIX, `${PREFIX}/subnets`)).toBeNull();
  });

  it("never throws, and takes only what it would write itself", () => {
    const parts = fc.constantFrom(
      "10.1.2.0",
      "-",
      "24",
      "&",
      "fd00::",
      "64",
      "/",
      "0",
      ".",
      ":",
      "255.255.255.255",
    );
    const anyName = fc.oneof(
      fc.string(),
      fc.array(parts, { maxLength: 8 }).map((list) => list.join("")),
    );
    fc.assert(
      fc.property(anyName, (name) => {
        const text = `${PREFIX}/subnets/${name}`;
        const key = parseLeaseKey(PREFIX, text);
        expect(key === null || leaseKey(PREFIX, key.subnet, key.subnet6) === text).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it("reads every key that leaseKey writes", () => {
    const anySubnet = fc
      .tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 1, max: 30 }))
      .map(([value, length]) => Ipv4Prefix.containing(new Ipv4Address(value), length));
    const anySubnet6 = fc
      .tuple(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.integer({ min: 1, max: 126 }))
      .map(([value, length]) => Ipv6Prefix.containing(new Ipv6Address(value), length));
    fc.assert(
      fc.property(anySubnet, fc.option(anySubnet6), (subnet, subnet6) => {
        expect(parseLeaseKey(PREFIX, leaseKey(PREFIX, subnet, subnet6))).toEqual({ subnet, subnet6 });
      }),
    );
  });
});

describe("parseLeaseValue", () => {
  it.each([
    `{"PublicIP":"192.0.2.10","PublicIPv6":null}`,
    `{"PublicIP":"192.0.2.10","PublicIPv6":null,"BackendType":"host-gw"}`,
    `{"PublicIP":"192.0.2.10","PublicIPv6":"2001:db8::10","BackendType":"host-gw"}`,
    `{"PublicIP":"192.0.2.10","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:aa:bb:cc:dd:ee"}}`,
    `{"PublicIP":"192.0.2.10","PublicIPv6":"2001:db8::10","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:aa:bb:cc:dd:ee"},"BackendV6Data":{"VNI":1,"VtepMAC":"02:aa:bb:cc:dd:ff"}}`,
    `{"PublicIP":"192.0.2.10","PublicIPv6":null,"BackendType":"wireguard","BackendData":{"PublicKey":"c2VjcmV0","Port":51820}}`,
    `{"PublicIP":"192.0.2.10","PublicIPv6":null,"BackendType":"extension","BackendData":"anything"}`,
    `{"PublicIP":"192.0.2.10","PublicIPv6":null,"NodeID":"0d5b6c1e"}`,
  ])("reads what flannel writes and writes the same bytes: %s", (text) => expect(rewrite(text)).toBe(text));

  it.each([
    ["members in any case", `{"publicip":"192.0.2.10","PUBLICIPV6":null,"backendtype":"VXLAN"}`, "vxlan"],
    ["Unicode's k, as Go folds it", `{"PublicIP":"192.0.2.10","Bac\u212aendType":"alloc"}`, "alloc"],
  ])("reads %s", (_, text, type) => {
    expect(rewrite(text)).toBe(`{"PublicIP":"192.0.2.10","PublicIPv6":null,"BackendType":"${type}"}`);
  });

  it.each([
    ["spelled alike", `{"PublicIP":"192.0.2.1","PublicIP":"192.0.2.2"}`],
    ["spelled differently", `{"PublicIP":"192.0.2.1","publicip":"192.0.2.2"}`],
    ["the other way round", `{"publicip":"192.0.2.1","PublicIP":"192.0.2.2"}`],
  ])("takes the last of two members, %s", (_, text) => {
    expect(rewrite(text)).toBe(`{"PublicIP":"192.0.2.2","PublicIPv6":null}`);
  });

  it("ignores unknown members, __proto__ among them", () => {
    const text = `{"__proto__":{"nodeid":"x"},"constructor":1,"PublicIP":"192.0.2.10","Extra":[{}]}`;
    expect(rewrite(text)).toBe(`{"PublicIP":"192.0.2.10","PublicIPv6":null}`);
    expect("nodeid" in {}).toBe(false);
  });

  it.each([
    ["no JSON", "192.0.2.10", "it is not JSON in UTF-8"],
    ["nothing", "", "it is not JSON in UTF-8"],
    ["trailing text", `{"PublicIP":"192.0.2.10"} x`, "it is not JSON in UTF-8"],
    ["a byte order mark", `\ufeff{"PublicIP":"192.0.2.10"}`, "it is not JSON in UTF-8"],
    ["an array", "[]", "it is not a JSON object"],
    ["null", "null", "it is not a JSON object"],
    ["no PublicIP", "{}", "PublicIP (absent) is not an IPv4 address"],
    ["null for PublicIP", `{"PublicIP":null}`, "PublicIP null is not an IPv4 address"],
    ["a number for PublicIP", `{"PublicIP":1}`, "PublicIP 1 is not an IPv4 address"],
    ["IPv6 in PublicIP", `{"PublicIP":"2001:db8::1"}`, 'PublicIP "2001:db8::1" is not an IPv4 address'],
    ["leading zeros", `{"PublicIP":"192.0.2.010"}`, 'PublicIP "192.0.2.010" is not an IPv4 address'],
    [
      "IPv4 in PublicIPv6",
      `{"PublicIP":"192.0.2.10","PublicIPv6":"192.0.2.10"}`,
      'PublicIPv6 "192.0.2.10" is not an IPv6 address',
    ],
    [
      "an object for BackendType",
      `{"PublicIP":"192.0.2.10","BackendType":{}}`,
      "BackendType {} is not a short printable word",
    ],
    [
      "a line end in BackendType",
      `{"PublicIP":"192.0.2.10","BackendType":"udp\\nforged"}`,
      'BackendType "udp\\u000aforged" is not a short printable word',
    ],
    ["a number for NodeID", `{"PublicIP":"192.0.2.10","NodeID":7}`, "NodeID 7 is not a short printable word"],
  ])("refuses %s", (_, text, reason) => expect(rewrite(text)).toBe(reason));

  it("refuses invalid UTF-8", () => {
    const value = Buffer.from(`{"PublicIP":"192.0.2.10","NodeID":"\xff"}`, "latin1");
    expect(parseLeaseValue(value)).toEqual({ ok: false, reason: "it is not JSON in UTF-8" });
  });

  it(`refuses more than ${MAX_LEASE_VALUE_BYTES} bytes, and takes as many`, () => {
    const start = `{"PublicIP":"192.0.2.10","BackendData":"`;
    const full = `${start}${"x".repeat(MAX_LEASE_VALUE_BYTES - start.length - 2)}"}`;
    expect(parseLeaseValue(Buffer.from(full)).ok).toBe(true);
    expect(rewrite(`${full} `)).toBe("it has 4097 bytes, more than 4096");
  });

  it("refuses a type of more than 64 characters, and takes as many", () => {
    const valueOf = (length: number): string =>
      `{"PublicIP":"192.0.2.10","BackendType":"${"x".repeat(length)}"}`;
    expect(parseLeaseValue(Buffer.from(valueOf(64))).ok).toBe(true);
    expect(parseLeaseValue(Buffer.from(valueOf(65))).ok).toBe(false);
  });

  it("refuses nesting past 16 levels", () => {
    const valueOf = (levels: number): string =>
      `{"PublicIP":"192.0.2.10","BackendData":${"[".repeat(levels)}${"]".repeat(levels)}}`;
    expect(parseLeaseValue(Buffer.from(valueOf(15))).ok).toBe(true);
    expect(rewrite(valueOf(16))).toBe("it is nested deeper than 16 levels");
    expect(rewrite(valueOf(2000))).toBe("it is nested deeper than 16 levels");
  });

  it("never throws on bytes or on JSON of any shape", () => {
    const anyBytes = fc.uint8Array({ maxLength: 200 });
    const name = fc.constantFrom(
      "PublicIP",
      "publicip",
      "PublicIPv6",
      "BackendType",
      "BackendData",
      "NodeID",
      "__proto__",
    );
    const anyJson = fc.dictionary(name, fc.jsonValue()).map((json) => Buffer.from(JSON.stringify(json)));
    fc.assert(
      fc.property(fc.oneof(anyBytes, anyJson), (value) => {
        expect(parseLeaseValue(value)).toHaveProperty("ok");
      }),
      { numRuns: 3000 },
    );
  });

  it("reads back everything that formatLeaseValue writes", () => {
    const word = fc.string({
      unit: fc.constantFrom("a", "z", "0", "9", "-", "_", "."),
      minLength: 1,
      maxLength: 40,
    });
    const data = fc.jsonValue({ maxDepth: 3 }).map((json) => JSON.parse(JSON.stringify(json)) as never);
    const anyAttributes = fc
      .record({ ip: fc.integer({ min: 0, max: 0xffffffff }), type: word, data, nodeId: fc.option(word) })
      .map(({ ip, type, data, nodeId }) => ({
        underlayIp: new Ipv4Address(ip),
        underlayIp6: null,
        backend: { type, data },
        nodeId,
      }));
    fc.assert(
      fc.property(anyAttributes, (attributes) => {
        const value = Buffer.from(formatLeaseValue(attributes));
        fc.pre(value.length <= MAX_LEASE_VALUE_BYTES);
        expect(parseLeaseValue(value)).toEqual({ ok: true, attributes });
      }),
    );
  });
});

describe("formatLeaseValue", () => {
  it("writes flannel's udp value to the byte (L7)", () => {
    expect(formatLeaseValue(attributesOf("1.2.3.4"))).toBe(`{"PublicIP":"1.2.3.4","PublicIPv6":null}`);
  });

  it("puts the node id last, behind flannel's members", () => {
    const backend = { type: "vxlan", data: { VNI: 1, VtepMAC: "02:aa:bb:cc:dd:ee" } };
    expect(formatLeaseValue(attributesOf("192.0.2.10", { backend, nodeId: "n1" }))).toBe(
      `{"PublicIP":"192.0.2.10","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:aa:bb:cc:dd:ee"},"NodeID":"n1"}`,
    );
  });
});
