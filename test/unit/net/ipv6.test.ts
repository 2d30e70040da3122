import fc from "fast-check";
import { isIPv6 } from "node:net";
import { describe, expect, it } from "vitest";
import { Ipv6Address, Ipv6Prefix, ipv6SizeOf } from "../../../src/net/ipv6.ts";

/** Any UTF-16 unit, also half a surrogate pair. */
const anyUnit = fc.nat(0xffff).map((code) => String.fromCharCode(code));

const MAX = (1n << 128n) - 1n;
/** Groups of few values, so that runs of zeros are as common as they are rare among random numbers. */
const anyValue = fc
  .array(fc.oneof({ arbitrary: fc.constant(0), weight: 2 }, fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n));
const anyLength = fc.integer({ min: 0, max: 128 });
/** Prefixes that meet often. */
const nearPrefix = fc
  .tuple(fc.bigInt({ min: 0n, max: 31n }), fc.integer({ min: 123, max: 128 }))
  .map(([value, length]) => Ipv6Prefix.containing(new Ipv6Address((0x20010db8n << 96n) | value), length));

function address(text: string): Ipv6Address {
  const parsed = Ipv6Address.parse(text);
  if (parsed === null) throw new RangeError(`Not an address: ${text}`);
  return parsed;
}

function prefix(text: string): Ipv6Prefix {
  const parsed = Ipv6Prefix.parse(text);
  if (parsed === null) throw new RangeError(`Not a prefix: ${text}`);
  return parsed;
}

/** The serializer of the URL standard writes IPv6 as RFC 5952 does. */
function canonicalText(text: string): string {
  return new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

const NOT_ADDRESSES = [
  "",
  ":",
  ":::",
  "1",
  "1.2.3.4",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7:",
  ":2:3:4:5:6:7:8",
  "1:2:3:4::5:6:7:8",
  "1::2::3",
  "12345::",
  "::00001",
  "::g",
  "::1%eth0",
  "fe80::1%1",
  "::1 ",
  " ::1",
  "::1\n",
  "+::1",
  "::-1",
  "[::1]",
  "::1/128",
  "::\u0661", // ARABIC-INDIC DIGIT ONE
  "::1.2.3",
  "::1.2.3.256",
  "::01.2.3.4",
  "::1.2.3.4:5",
  "1:2:3:4:5:6:7:1.2.3.4",
];

describe("Ipv6Address.parse", () => {
  it.each(NOT_ADDRESSES)("refuses %j", (text) => expect(Ipv6Address.parse(text)).toBeNull());

  it.each([
    ["::", 0n],
    ["::1", 1n],
    ["1::", 1n << 112n],
    ["FC00:1::", 0xfc000001n << 96n],
    ["0:0:0:0:0:0:0:1", 1n],
    ["::192.0.2.1", 0xc0000201n],
    ["::ffff:192.0.2.1", 0xffffc0000201n],
    ["1:2:3:4:5:6:192.0.2.1", 0x00010002000300040005000600000000n | 0xc0000201n],
    ["1:2:3:4:5:6:7::", 0x00010002000300040005000600070000n],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", MAX],
  ])("reads %s", (text, value) => expect(Ipv6Address.parse(text)?.value).toBe(value));

  it("reads back what toString and toJSON write", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const text = new Ipv6Address(value).toString();
        expect(Ipv6Address.parse(text)?.value).toBe(value);
        expect(JSON.stringify({ a: new Ipv6Address(value) })).toBe(`{"a":"${text}"}`);
      }),
    );
  });

  it("takes what Node takes, but no zone", () => {
    const pieces = fc.constantFrom(
      "0",
      "1",
      "ffff",
      "12345",
      ":",
      ":",
      "::",
      ".",
      "192.0.2.1",
      "%",
      "g",
      " ",
    );
    const almost = fc.array(pieces, { maxLength: 16 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(fc.oneof(almost, fc.ipV6(), fc.string({ unit: anyUnit })), (text) => {
        expect(Ipv6Address.parse(text) !== null).toBe(isIPv6(text) && !text.includes("%"));
      }),
      { numRuns: 500 },
    );
  });
});

describe("Ipv6Address", () => {
  it.each([-1n, MAX + 1n])("cannot be made of %d", (value) => {
    expect(() => new Ipv6Address(value)).toThrow(RangeError);
  });

  it.each([
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"], // of two longest runs the first
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"], // one group alone is not shortened
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:0:0:0:0:0:0:0", "1::"],
  ])("writes %s as %s (RFC 5952 section 4)", (text, canonical) => {
    expect(address(text).toString()).toBe(canonical);
  });

  it("writes the text of RFC 5952", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const text = new Ipv6Address(value).toString();
        expect(text).toBe(canonicalText(text));
      }),
      { numRuns: 500 },
    );
  });

  it("does not step past either end of the address space", () => {
    expect(address("fc00:1::").plus(1n).toString()).toBe("fc00:1::1");
    expect(() => new Ipv6Address(MAX).plus(1n)).toThrow(RangeError);
    expect(() => new Ipv6Address(0n).plus(-1n)).toThrow(RangeError);
  });
});

const NOT_PREFIXES = [
  "",
  "::",
  "::/",
  "/64",
  "::/129",
  "::/-1",
  "::/+64",
  "::/064",
  "::/00",
  "::/ 64",
  "::/64 ",
  "::/64\n",
  "::1%eth0/128",
  "0.0.0.0/0",
  "[::]/0",
];

describe("Ipv6Prefix.parse", () => {
  it.each(NOT_PREFIXES)("refuses %j, as parseContaining does", (text) => {
    expect(Ipv6Prefix.parse(text)).toBeNull();
    expect(Ipv6Prefix.parseContaining(text)).toBeNull();
  });

  it("refuses host bits, which parseContaining clears", () => {
    expect(Ipv6Prefix.parse("2001:db8::1/64")).toBeNull();
    expect(Ipv6Prefix.parseContaining("2001:db8::1/64")?.toString()).toBe("2001:db8::/64");
  });

  it("reads back what toString and toJSON write", () => {
    fc.assert(
      fc.property(anyValue, anyLength, (value, length) => {
        const made = Ipv6Prefix.containing(new Ipv6Address(value), length);
        expect(Ipv6Prefix.parse(made.toString())?.equals(made)).toBe(true);
        expect(made.contains(new Ipv6Address(value))).toBe(true);
        expect(JSON.stringify([made])).toBe(`["${made.toString()}"]`);
      }),
    );
  });
});

describe("Ipv6Prefix", () => {
  it.each([-1, 129, 1.5, NaN])("cannot be made with length %d", (length) => {
    expect(() => new Ipv6Prefix(address("::"), length)).toThrow(RangeError);
    expect(() => Ipv6Prefix.containing(address("::1"), length)).toThrow(RangeError);
  });

  it("cannot be made with host bits", () => {
    expect(() => new Ipv6Prefix(address("2001:db8::1"), 64)).toThrow(RangeError);
    expect(() => new Ipv6Prefix(address("8000::"), 0)).toThrow(RangeError);
  });

  it.each([
    ["::/0", 1n << 128n, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["2001:db8::/32", 1n << 96n, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["::/64", 1n << 64n, "::ffff:ffff:ffff:ffff"],
    ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", 1n, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ])("%s has %d addresses, the last is %s", (text, size, last) => {
    expect(prefix(text).size).toBe(size);
    expect(prefix(text).last.toString()).toBe(last);
    expect(ipv6SizeOf(prefix(text).length)).toBe(size);
  });

  it("overlaps what shares an address with it", () => {
    const net = prefix("fc00:1::/64");
    expect(["fc00:1::/64", "fc00::/16", "::/0"].map((p) => net.overlaps(prefix(p)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(["fc00:2::/64", "fb00:2::/48"].map((p) => net.overlaps(prefix(p)))).toEqual([false, false]);
  });

  it("contains and overlaps as the sets of its addresses do", () => {
    const addressesOf = ({ address: { value }, size }: Ipv6Prefix): Set<bigint> =>
      new Set(Array.from({ length: Number(size) }, (_, i) => value + BigInt(i)));
    fc.assert(
      fc.property(nearPrefix, nearPrefix, (a, b) => {
        const [setA, setB] = [addressesOf(a), addressesOf(b)];
        const shared = [...setB].filter((value) => setA.has(value));
        expect(a.overlaps(b)).toBe(shared.length > 0);
        expect(a.containsPrefix(b)).toBe(shared.length === setB.size);
        expect(a.equals(b)).toBe(a.toString() === b.toString());
        for (const value of setB) expect(a.contains(new Ipv6Address(value))).toBe(setA.has(value));
      }),
    );
  });
});
