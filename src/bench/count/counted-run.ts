import type { BenchPlace } from "../bench-place.ts";
import type { Carrier } from "../carry/carrier.ts";
import { differenceOf } from "./difference.ts";
import { settledSnapshot } from "./snapshot.ts";
import type { Snapshot } from "./snapshot.ts";

/** Does `work` and resolves with its result and what every counter counted meanwhile, until the last packet. */
export async function countedRun<T>(
  place: BenchPlace,
  carrier: Carrier,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<{ result: T; counted: Snapshot }> {
  const before = await settledSnapshot(place, carrier, signal);
  const result = await work();
  const after = await settledSnapshot(place, carrier, signal);
  return { result, counted: differenceOf(before, after) };
}
