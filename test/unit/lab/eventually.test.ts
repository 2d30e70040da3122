import { describe, expect, it } from "vitest";
import { eventually } from "../../../src/lab/eventually.ts";

const NOW = { what: "see it", timeoutMs: 0 };

describe("eventually", () => {
  it("resolves with the first answer that is not null or false", async () => {
    const answers = [null, false, 0];
    const seen = await eventually(() => Promise.resolve(answers.shift() ?? null), {
      ...NOW,
      timeoutMs: 5_000,
      pollMs: 0,
    });
    expect(seen).toBe(0);
  });

  it("says at the deadline what was wanted and what stood in the way", async () => {
    await expect(eventually(() => Promise.reject(new Error("not yet")), NOW)).rejects.toThrow(
      "Cannot see it: not so after 0 ms: not yet",
    );
  });

  it("ends at once when waiting is in vain", async () => {
    const hopeless = new Error("it is gone");
    const options = { what: "see it", timeoutMs: 60_000, giveUp: () => hopeless };
    await expect(eventually(() => Promise.resolve(null), options)).rejects.toBe(hopeless);
  });

  it("ends with the signal's reason", async () => {
    const signal = AbortSignal.abort(new Error("stop"));
    await expect(eventually(() => Promise.resolve(true), { ...NOW, signal })).rejects.toThrow("stop");
  });
});
