import fc from "fast-check";
import { Address4 } from "ip-address";
import { describe, expect, it } from "vitest";
import { Ipv4Address, Ipv4Prefix, ipv4SizeOf } from "../../../src/net/ipv4.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

/** Any UTF-16 unit, also half a surrogate pair. */
const anyUnit = fc.nat(0xffff).map((code) => String.fromCharCode(code));

const anyValue = fc.integer({ min: 0, max: 0xffffffff });
const anyLength = fc.integer({ min: 0, max: 32 });
const anyPrefix = fc
  .tuple(anyValue, anyLength)
  .map(([value, length]) => Ipv4Prefix.containing(new Ipv4Address(value), length));
/** Prefixes that meet often. */
const nearPrefix = fc
  .tuple(fc.integer({ min: 0, max: 63 }), fc.integer({ min: 26, max: 32 }))
  .map(([value, length]) => Ipv4Prefix.containing(new Ipv4Address(value), length));

const NOT_ADDRESSES = [
  "",
  "1.2.3",
  "1.2.3.4.5",
  "1..3.4",
  "1.2.3.",
  "1.2.3.256",
  "1.2.3.-4",
  "+1.2.3.4",
  "010.1.0.0",
  "1.2.3.04",
  "1.2.3.00",
  "0x1.2.3.4",
  "1.2.3.4 ",
  " 1.2.3.4",
  "1.2.3.4\n",
  "1.2.3.4\0",
  "16909060",
  "1.2.3.4/32",
  "1,2,3,4",
  "1.2.3.4e0",
  "\u0661.2.3.4", // ARABIC-INDIC DIGIT ONE
  "\uff11.2.3.4", // FULLWIDTH DIGIT ONE
  "::1",
  "::ffff:1.2.3.4",
];

describe("Ipv4Address.parse", () => {
  it.each(NOT_ADDRESSES)("refuses %j", (text) => expect(Ipv4Address.parse(text)).toBeNull());

  it.each([
    ["0.0.0.0", 0],
    ["1.2.3.4", 0x01020304],
    ["127.255.255.255", 0x7fffffff],
    ["128.0.0.0", 0x80000000],
    ["255.255.255.255", 0xffffffff],
  ])("reads %s", (text, value) => expect(Ipv4Address.parse(text)?.value).toBe(value));

  it("reads back what toString and toJSON write", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const text = new Ipv4Address(value).toString();
        expect(Ipv4Address.parse(text)?.value).toBe(value);
        expect(JSON.stringify({ a: new Ipv4Address(value) })).toBe(`{"a":"${text}"}`);
      }),
    );
  });

  it("reads the same as the ip-address package", () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(BigInt(addressOf(text).value)).toBe(new Address4(text).bigInt());
        expect(addressOf(text).toString()).toBe(new Address4(text).correctForm());
      }),
    );
  });

  it("never throws, and takes no text that it would not write itself", () => {
    const almost = fc.array(fc.constantFrom("0", "1", "25", "6", ".", ".", "-", " ", "x"), { maxLength: 12 });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: anyUnit }),
          almost.map((parts) => parts.join("")),
        ),
        (text) => {
          const parsed = Ipv4Address.parse(text);
          if (parsed !== null) expect(parsed.toString()).toBe(text);
        },
      ),
    );
  });
});

describe("Ipv4Address", () => {
  it.each([-1, 2 ** 32, 1.5, NaN, Infinity])("cannot be made of %d", (value) => {
    expect(() => new Ipv4Address(value)).toThrow(RangeError);
  });

  it("does not step past either end of the address space", () => {
    expect(addressOf("1.2.3.255").plus(1).toString()).toBe("1.2.4.0");
    expect(addressOf("1.2.4.0").plus(-1).toString()).toBe("1.2.3.255");
    expect(() => addressOf("255.255.255.255").plus(1)).toThrow(RangeError);
    expect(() => addressOf("0.0.0.0").plus(-1)).toThrow(RangeError);
  });

  it.each([
    ["0.0.0.0", { isUnicast: false }],
    ["0.255.255.255", { isUnicast: false }],
    ["1.0.0.0", { isUnicast: true }],
    ["126.255.255.255", { isUnicast: true, isLoopback: false }],
    ["127.0.0.0", { isUnicast: false, isLoopback: true }],
    ["127.255.255.255", { isUnicast: false, isLoopback: true }],
    ["128.0.0.0", { isUnicast: true, isLoopback: false }],
    ["169.253.255.255", { isUnicast: true, isLinkLocal: false }],
    ["169.254.0.0", { isUnicast: true, isLinkLocal: true }],
    ["169.254.255.255", { isUnicast: true, isLinkLocal: true }],
    ["169.255.0.0", { isUnicast: true, isLinkLocal: false }],
    ["223.255.255.255", { isUnicast: true, isMulticast: false }],
    ["224.0.0.0", { isUnicast: false, isMulticast: true }],
    ["239.255.255.255", { isUnicast: false, isMulticast: true }],
    ["240.0.0.0", { isUnicast: false, isMulticast: false }],
    ["255.255.255.255", { isUnicast: false, isMulticast: false }],
  ])("%s is %o", (text, facts) => expect(addressOf(text)).toMatchObject(facts));
});

const NOT_PREFIXES = [
  "",
  "10.1.0.0",
  "10.1.0.0/",
  "/16",
  "10.1.0.0/33",
  "10.1.0.0/-1",
  "10.1.0.0/+16",
  "10.1.0.0/016",
  "10.0.0.0/08",
  "10.1.0.0/ 16",
  "10.1.0.0 /16",
  " 10.1.0.0/16",
  "10.1.0.0/16 ",
  "10.1.0.0/16\n",
  "10.1.0.0/16/16",
  "10.1.0.0/1\u0666", // ARABIC-INDIC DIGIT SIX
  "10.1.0.0/255.255.0.0",
  "010.1.0.0/16",
  "10.1/16",
  "10.1.0.0/1e1",
  "::/0",
];

describe("Ipv4Prefix.parse", () => {
  it.each(NOT_PREFIXES)("refuses %j, as parseContaining does", (text) => {
    expect(Ipv4Prefix.parse(text)).toBeNull();
    expect(Ipv4Prefix.parseContaining(text)).toBeNull();
  });

  it("refuses host bits, which parseContaining clears", () => {
    expect(Ipv4Prefix.parse("10.5.72.1/24")).toBeNull();
    expect(Ipv4Prefix.parseContaining("10.5.72.1/24")?.toString()).toBe("10.5.72.0/24");
  });

  it("reads back what toString and toJSON write", () => {
    fc.assert(
      fc.property(anyPrefix, (made) => {
        expect(Ipv4Prefix.parse(made.toString())?.equals(made)).toBe(true);
        expect(JSON.stringify([made])).toBe(`["${made.toString()}"]`);
      }),
    );
  });
});

describe("Ipv4Prefix", () => {
  it.each([-1, 33, 1.5, NaN])("cannot be made with length %d", (length) => {
    expect(() => new Ipv4Prefix(addressOf("0.0.0.0"), length)).toThrow(RangeError);
    expect(() => Ipv4Prefix.containing(addressOf("255.255.255.255"), length)).toThrow(RangeError);
  });

  it("cannot be made with host bits", () => {
    expect(() => new Ipv4Prefix(addressOf("10.5.72.1"), 24)).toThrow(RangeError);
    expect(() => new Ipv4Prefix(addressOf("128.0.0.0"), 0)).toThrow(RangeError);
  });

  it.each([
    ["0.0.0.0/0", 2 ** 32, "255.255.255.255"],
    ["128.0.0.0/1", 2 ** 31, "255.255.255.255"],
    ["10.244.0.0/16", 65536, "10.244.255.255"],
    ["192.0.2.4/31", 2, "192.0.2.5"],
    ["255.255.255.255/32", 1, "255.255.255.255"],
  ])("%s has %d addresses, the last is %s", (text, size, last) => {
    expect(prefixOf(text).size).toBe(size);
    expect(prefixOf(text).last.toString()).toBe(last);
    expect(ipv4SizeOf(prefixOf(text).length)).toBe(size);
  });

  it("starts and ends where the ip-address package says", () => {
    fc.assert(
      fc.property(anyValue, anyLength, (value, length) => {
        const oracle = new Address4(`${new Ipv4Address(value).toString()}/${length}`);
        const made = Ipv4Prefix.containing(new Ipv4Address(value), length);
        expect(made.address.toString()).toBe(oracle.startAddress().correctForm());
        expect(made.last.toString()).toBe(oracle.endAddress().correctForm());
      }),
    );
  });

  it("overlaps what shares an address with it", () => {
    const net = prefixOf("1.2.3.0/24");
    expect(
      ["1.2.3.0/24", "1.2.0.0/16", "0.0.0.0/0", "1.2.3.255/32"].map((p) => net.overlaps(prefixOf(p))),
    ).toEqual(Array(4).fill(true));
    expect(["1.2.4.0/24", "7.2.4.0/22", "1.2.2.0/24"].map((p) => net.overlaps(prefixOf(p)))).toEqual(
      Array(3).fill(false),
    );
  });

  it("contains its first and its last address and not the next", () => {
    const net = prefixOf("1.2.3.0/24");
    expect(["1.2.3.0", "1.2.3.4", "1.2.3.255"].map((a) => net.contains(addressOf(a)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(["1.2.4.0", "1.2.2.255"].map((a) => net.contains(addressOf(a)))).toEqual([false, false]);
    expect(net.address.plus(1).toString()).toBe("1.2.3.1");
  });

  it("contains and overlaps as the sets of its addresses do", () => {
    const addressesOf = ({ address: { value }, size }: Ipv4Prefix): Set<number> =>
      new Set(Array.from({ length: size }, (_, i) => value + i));
    fc.assert(
      fc.property(nearPrefix, nearPrefix, (a, b) => {
        const [setA, setB] = [addressesOf(a), addressesOf(b)];
        const shared = [...setB].filter((value) => setA.has(value));
        expect(a.overlaps(b)).toBe(shared.length > 0);
        expect(a.containsPrefix(b)).toBe(shared.length === setB.size);
        expect(a.equals(b)).toBe(a.toString() === b.toString());
        for (const value of setB) expect(a.contains(new Ipv4Address(value))).toBe(setA.has(value));
      }),
    );
  });

  it("is ordered by address, the wider prefix first", () => {
    const sorted = ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/24", "10.0.1.0/24", "255.0.0.0/8"].map(prefixOf);
    fc.assert(
      fc.property(fc.shuffledSubarray(sorted, { minLength: sorted.length }), (shuffled) => {
        expect(shuffled.sort((a, b) => a.compare(b)).map(String)).toEqual(sorted.map(String));
      }),
    );
  });
});
