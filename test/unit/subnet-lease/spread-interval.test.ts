import { describe, expect, it } from "vitest";
import { spreadIntervalMs } from "../../../src/subnet-lease/spread-interval.ts";

describe("spreadIntervalMs", () => {
  it("is a tenth less to a tenth more, evenly", () => {
    const intervals = [0, 0.25, 0.5, 1].map((draw) => spreadIntervalMs(60_000, () => draw));
    expect(intervals).toEqual([54_000, 57_000, 60_000, 66_000]);
  });
});
