import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MacAddress } from "../../../src/net/mac.ts";

const NOT_MACS = [
  "",
  "02:aa:bb:cc:dd",
  "02:aa:bb:cc:dd:ee:ff",
  "02-aa-bb-cc-dd-ee",
  "02aabbccddee",
  "2:aa:bb:cc:dd:ee",
  "02:aa:bb:cc:dd:eg",
  "02:aa:bb:cc:dd:ee ",
  "02:aa:bb:cc:dd:ee\n",
  "+2:aa:bb:cc:dd:ee",
  "02:aa:bb:cc:dd:\u0661\u0661", // ARABIC-INDIC DIGIT ONE
];

describe("MacAddress", () => {
  it.each(NOT_MACS)("refuses %j", (text) => expect(MacAddress.parse(text)).toBeNull());

  it("reads either case and writes lower-case pairs with colons", () => {
    expect(MacAddress.parse("02:AA:bb:Cc:dD:0e")?.toString()).toBe("02:aa:bb:cc:dd:0e");
    expect(MacAddress.parse("02:aa:bb:cc:dd:0e")?.value).toBe(0x02aabbccdd0e);
  });

  it("reads back what toString and toJSON write", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (value) => {
        const mac = new MacAddress(value);
        expect(MacAddress.parse(mac.toString())?.equals(mac)).toBe(true);
        expect(JSON.stringify([mac])).toBe(`["${mac.toString()}"]`);
      }),
    );
  });

  it.each([-1, 2 ** 48, 0.5, NaN])("cannot be made of %d", (value) => {
    expect(() => new MacAddress(value)).toThrow(RangeError);
  });

  it.each([
    ["00:00:00:00:00:00", false],
    ["fe:ff:ff:ff:ff:ff", false],
    ["01:00:5e:00:00:01", true],
    ["ff:ff:ff:ff:ff:ff", true],
  ])("%s: the multicast bit is %s", (text, isMulticast) => {
    expect(MacAddress.parse(text)?.isMulticast).toBe(isMulticast);
  });
});
