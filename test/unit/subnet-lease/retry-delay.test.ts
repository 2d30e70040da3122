import { describe, expect, it } from "vitest";
import { retryDelayMs } from "../../../src/subnet-lease/retry-delay.ts";

describe("retryDelayMs", () => {
  it("doubles from 100 ms to 4 s", () => {
    const delays = [0, 1, 2, 3, 4, 5, 6, 7, 1_000_000].map((attempt) => retryDelayMs(attempt, () => 1));
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 4_000, 4_000, 4_000]);
  });

  it("leaves out a random part, at most half", () => {
    expect(retryDelayMs(0, () => 0)).toBe(50);
    expect(retryDelayMs(9, () => 0.5)).toBe(3_000);
  });
});
