import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isOurs } from "../../../src/pod/find-netns.ts";
import { isMark, markScope, newMark } from "../../../src/pod/netns-mark.ts";

let one: string;
let two: string;
beforeEach(async () => {
  [one, two] = [await mkdtemp(join(tmpdir(), "twill-mark-")), await mkdtemp(join(tmpdir(), "twill-mark-"))];
});
afterEach(async () => {
  for (const directory of [one, two]) await rm(directory, { recursive: true, force: true });
});

describe("markScope", () => {
  it("tells pods of one name in two directories apart, and stays", async () => {
    const scope = await markScope("web", one);
    expect(await markScope("web", one)).toBe(scope);
    expect(await markScope("web", two)).not.toBe(scope);
    expect(await markScope("web", join(one, "gone"))).toBeNull();
  });

  it("is not the start of the scope of a longer name", async () => {
    const [scope, longer] = [await markScope("web", one), await markScope("web-2", one)];
    expect(longer?.startsWith(scope ?? "")).toBe(false);
  });
});

describe("newMark", () => {
  it("is a mark of its scope that no other is like", async () => {
    const scope = (await markScope("a".repeat(63), one)) ?? "";
    const [first, second] = [newMark(scope), newMark(scope)];
    expect(first).not.toBe(second);
    expect(first.startsWith(scope)).toBe(true);
    expect([isMark(first), isMark(scope), isMark(""), isMark(7)]).toEqual([true, false, false, false]);
    expect(first.length).toBeLessThan(256); // IFALIASZ
  });
});

describe("isOurs", () => {
  const scope = "twill-pod:web:1b-4711:";
  const mark = `${scope}9f86d081884c7d65`;
  const later = `${scope}0000000000000000`;

  it("wants the very mark that is written down", () => {
    const pod = { netns: { number: 7, mark } };
    expect([mark, later, ""].map((found) => isOurs(found, pod, scope))).toEqual([true, false, false]);
  });

  it("goes by the pod's name and directory when none is", () => {
    const pod = { netns: null };
    const other = "twill-pod:web:1b-4712:9f86d081884c7d65";
    expect([mark, later, other, ""].map((found) => isOurs(found, pod, scope))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(isOurs(mark, pod, null)).toBe(false);
  });
});
