import { describe, expect, it } from "vitest";
import { Turns } from "../../../../src/docker/plugin/turns.ts";

describe("Turns", () => {
  it("are taken one after the other in the order of asking, also after one that fails", async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const gate = Promise.withResolvers<undefined>();
    const first = turns.take(async () => {
      seen.push("first begins");
      await gate.promise;
      seen.push("first ends");
      throw new Error("failed");
    });
    const second = turns.take(() => Promise.resolve(seen.push("second")));
    expect(turns.length).toBe(2);
    const idle = turns.idle().then(() => seen.push("idle"));
    gate.resolve(undefined);
    await expect(first).rejects.toThrow("failed");
    expect(await second).toBe(3);
    await idle;
    expect(seen).toEqual(["first begins", "first ends", "second", "idle"]);
    expect(turns.length).toBe(0);
  });
});
