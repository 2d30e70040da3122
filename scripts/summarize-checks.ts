/**
 * Prints what the packet checks cost, from the result of scripts/bench-checks: the throughput with them as a part of
 * that without.
 */
import { readFileSync } from "node:fs";
import type { BenchResult } from "../src/bench/bench-result.ts";
import { median, medianRatio } from "../src/bench/statistics.ts";

const GIGA = 1e9;

const path = process.argv[2];
if (path === undefined) throw new Error("Cannot summarize: give the path of the result");
const { measurements } = JSON.parse(readFileSync(path, "utf8")) as BenchResult;
const [checked, unchecked] = [throughputOf("native"), throughputOf("unchecked")];
const [withChecks, without] = [median(checked), median(unchecked)];
process.stdout.write(
  `TCP, 1 stream: ${(withChecks / GIGA).toFixed(2)} Gbit/s with the checks, ${(without / GIGA).toFixed(2)} without
with / without: ${(withChecks / without).toFixed(3)} (ratio of the medians), ${(medianRatio(checked, unchecked) ?? NaN).toFixed(3)} (median of the ratios within a repeat)
`,
);

/** Bits per second, repeat by repeat. */
function throughputOf(wanted: string): number[] {
  return measurements
    .filter(({ row }) => row === wanted)
    .map(({ datapath, tcpOneStream }) => {
      // An agent whose engine does not load runs another one, which has nothing to do with the question.
      if (datapath?.engine !== "native") throw new Error(`Cannot compare: ${wanted} ran without its engine`);
      if (tcpOneStream === null) throw new Error(`Cannot compare: ${wanted} was measured without TCP`);
      return tcpOneStream.bitsPerSecond;
    });
}
