import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { escapeUntrusted, showUntrusted, showUntrustedJson } from "../../../src/net/untrusted-text.ts";

/** Any UTF-16 unit, also half a surrogate pair. */
const anyUnit = fc.nat(0xffff).map((code) => String.fromCharCode(code));

describe("showUntrusted", () => {
  it.each([
    ["10.244.1.0-24", '"10.244.1.0-24"'],
    ["", '""'],
    ["a\nlevel=error", String.raw`"a\u000alevel=error"`], // a forged line
    ["\u001b[2J", String.raw`"\u001b[2J"`], // C0: clears the screen
    ["\u009b2J", String.raw`"\u009b2J"`], // C1: the same in one character
    ["\0\u007f", String.raw`"\u0000\u007f"`],
    ['say "hi"', String.raw`"say \"hi\""`],
    ["back\\slash", String.raw`"back\\slash"`],
    ["\u2028\u202e", String.raw`"\u2028\u202e"`], // line separator, right-to-left override
    ["\u{1f600}", String.raw`"\ud83d\ude00"`],
    ["\ud800", String.raw`"\ud800"`], // half a surrogate pair
  ])("shows %j as %s", (text, shown) => expect(showUntrusted(text)).toBe(shown));

  it("shows 80 characters and cuts the 81st", () => {
    expect(showUntrusted("x".repeat(80))).toBe(`"${"x".repeat(80)}"`);
    expect(showUntrusted("x".repeat(81))).toBe(`"${"x".repeat(80)}..."`);
  });

  it("cuts through a surrogate pair without making text that is not well formed", () => {
    expect(showUntrusted(`${"x".repeat(79)}\u{1f600}`)).toBe(String.raw`"${"x".repeat(79)}\ud83d..."`);
  });

  it("gives printable ASCII of bounded length that says what the text was", () => {
    fc.assert(
      fc.property(fc.string({ unit: anyUnit, maxLength: 200 }), (text) => {
        const shown = showUntrusted(text);
        expect(shown).toMatch(/^"[\x20-\x7e]*"$/);
        expect(shown.length).toBeLessThanOrEqual(80 * 6 + 5);
        if (text.length <= 80) expect(JSON.parse(shown)).toBe(text);
      }),
    );
  });
});

describe("escapeUntrusted", () => {
  it.each([
    ["10.244.1.0-24", "10.244.1.0-24"],
    ["a\nlevel=error\u001b[2J", String.raw`a\u000alevel=error\u001b[2J`],
    ["x".repeat(81), `${"x".repeat(80)}...`],
  ])("makes %j into %s, without quotes", (text, escaped) => expect(escapeUntrusted(text)).toBe(escaped));
});

describe("showUntrustedJson", () => {
  it.each([
    ["8285", '"8285"'],
    ["a\nb", String.raw`"a\u000ab"`],
    [8285, "8285"],
    [Infinity, "Infinity"],
    [null, "null"],
    [true, "true"],
    [[1], "[1]"],
    [undefined, "(absent)"],
  ])("shows %j as %s: only text has quotes", (value, shown) => expect(showUntrustedJson(value)).toBe(shown));

  it("shows what is nested too deeply for JSON.stringify as just that", () => {
    const value: unknown = JSON.parse("[".repeat(50_000) + "]".repeat(50_000));
    expect(showUntrustedJson(value)).toBe("(nested too deeply to show)");
  });
});
