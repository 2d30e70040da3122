import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mean, median, medianRatio, percentile, spreadOf } from "../../../src/bench/statistics.ts";

describe("median", () => {
  it.each([
    [[3], 3],
    [[10, 9, 2], 9],
    [[4, 1, 3, 2], 2.5],
  ])("of %j is %d", (values, expected) => expect(median(values)).toBe(expected));

  it("has as many values below it as above", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const middle = median(values);
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });

  it("leaves its argument as it was and refuses nothing", () => {
    const values = [2, 1];
    median(values);
    expect(values).toEqual([2, 1]);
    expect(() => median([])).toThrow(RangeError);
  });
});

describe("percentile", () => {
  const HUNDRED = Array.from({ length: 100 }, (_, i) => 100 - i);

  it.each([
    [50, 50],
    [99, 99],
    [100, 100],
    [0, 1],
  ])("%d of 1 to 100 is %d", (percent, expected) => expect(percentile(HUNDRED, percent)).toBe(expected));

  it("is the largest of few values, and refuses nothing", () => {
    expect(percentile([7, 5], 99)).toBe(7);
    expect(() => percentile([], 50)).toThrow(RangeError);
  });
});

describe("mean", () => {
  it("divides the sum by the number", () => expect(mean([1, 2, 6])).toBe(3));
  it("refuses nothing", () => expect(() => mean([])).toThrow(RangeError));
});

describe("spreadOf", () => {
  it("gives median, least and greatest", () => {
    expect(spreadOf([10, 9, 2])).toEqual({ median: 9, min: 2, max: 10 });
  });
});

describe("medianRatio", () => {
  it("compares within each repeat, so that what drifts for both falls out", () => {
    expect(medianRatio([5, 10, 20], [10, 20, 40])).toBe(0.5);
    expect(medianRatio([1, 30, 3], [2, 10, 3])).toBe(1);
  });

  it.each([
    [[1], [0]],
    [[1, 2], [1]],
    [[], [1]],
  ])("is null for %j by %j", (values, baseline) => expect(medianRatio(values, baseline)).toBeNull());
});
