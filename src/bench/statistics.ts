/** Figures of several repeats in few numbers. */

/** One figure over all repeats. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Middle value; of an even number the mean of the two in the middle. @throws {RangeError} when there is none */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const upper = sorted[half];
  if (upper === undefined) throw new RangeError("Cannot take the median of nothing");
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? upper) + upper) / 2;
}

/** The smallest value that at least `percent` of all are not above (nearest rank). @throws {RangeError} when there is none */
export function percentile(values: readonly number[], percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * values.length));
  const value = values.toSorted((a, b) => a - b)[rank - 1];
  if (value === undefined) throw new RangeError("Cannot take a percentile of nothing");
  return value;
}

/** Arithmetic mean. @throws {RangeError} when there is no value */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Cannot take the mean of nothing");
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @throws {RangeError} when there is no value */
export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Median of the ratios within each repeat, in which both were measured minutes apart at most: what changes between
 * repeats, as a busy neighbour, falls out. Null when a baseline is 0 or missing.
 */
export function medianRatio(values: readonly number[], baseline: readonly number[]): number | null {
  const ratios = values.map((value, repeat) => value / (baseline[repeat] ?? 0));
  return ratios.length > 0 && ratios.every(Number.isFinite) ? median(ratios) : null;
}
