import { describe, expect, it } from "vitest";
import { parseDnsName, parseZone } from "../../../src/names/dns-name.ts";

describe("parseDnsName", () => {
  it.each([
    ["web", "web"],
    ["Web.Shop", "web.shop"],
    ["shop_web_1", "shop_web_1"],
    ["_tcp", "_tcp"],
    ["a".repeat(63), "a".repeat(63)],
  ])("takes %s", (text, name) => expect(parseDnsName(text)).toBe(name));

  it.each([
    ["nothing", ""],
    ["an empty label", "web..shop"],
    ["a dot at the end", "web."],
    ["a label of 64 characters", "a".repeat(64)],
    ["a hyphen at an end", "web-"],
    ["a blank", "a b"],
    ["a line feed", "web\n"],
    ["letters that only become ASCII in lower case", "\u212aube"],
    ["more than a name may have", Array.from({ length: 60 }, () => "abc").join(".")],
  ])("takes no name with %s", (_what, text) => expect(parseDnsName(text)).toBeNull());
});

describe("parseZone", () => {
  it("takes a name of several labels, at most 63 characters", () => {
    expect(parseZone("containers.Internal")).toBe("containers.internal");
    expect(parseZone(`${"a".repeat(32)}.${"b".repeat(31)}`)).toBeNull();
  });
});
