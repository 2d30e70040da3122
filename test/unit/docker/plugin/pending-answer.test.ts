import { describe, expect, it } from "vitest";
import { PendingAnswer } from "../../../../src/docker/plugin/pending-answer.ts";

const NEVER = new AbortController().signal;
const LONG_MS = 60_000;
const late = (): Error => new Error("too late");

describe("PendingAnswer", () => {
  it("is heard once, whatever is said after it", async () => {
    const pending = new PendingAnswer<string>(LONG_MS, late, NEVER);
    expect(pending.isOpen).toBe(true);
    expect([pending.give("one"), pending.give("two"), pending.refuse(new Error("three"))]).toEqual([
      true,
      false,
      false,
    ]);
    expect(await pending.heard).toBe("one");
    expect(pending.isOpen).toBe(false);
  });

  it("is too late from the deadline on", async () => {
    const pending = new PendingAnswer<string>(1, late, NEVER);
    await expect(pending.heard).rejects.toThrow("too late");
    expect([pending.isOpen, pending.give("one")]).toEqual([false, false]);
  });

  it("is for nobody when whoever asked goes away, or has gone", async () => {
    const gone = new AbortController();
    const pending = new PendingAnswer<string>(LONG_MS, late, gone.signal);
    gone.abort(new Error("gone"));
    await expect(pending.heard).rejects.toThrow("gone");
    expect(pending.give("one")).toBe(false);
    const next = new PendingAnswer<string>(LONG_MS, late, gone.signal);
    await expect(next.heard).rejects.toThrow("gone");
    expect(next.isOpen).toBe(false);
  });
});
