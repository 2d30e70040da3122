/** Ping-pong: round trip times of single packets with nothing else on the way. */
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { roundTripsMs } from "../../lab/measure/ping-output.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { LatencyRun } from "../bench-result.ts";
import type { Carrier } from "../carry/carrier.ts";
import { countedRun } from "../count/counted-run.ts";
import { drawUpTunnelLedger } from "../count/tunnel-ledger.ts";
import { mean, percentile } from "../statistics.ts";

const INTERVAL_SECONDS = 0.002;
const MICROS_PER_MS = 1000;

/** How many packets. */
export interface LatencyRunOptions {
  readonly count: number;
  readonly signal: AbortSignal;
}

/**
 * Sends `count` echo requests 2 ms apart. ping prints into a file: a reader of ours would wake for each line, on the
 * cores that are measured. @throws {OverlayError} `ERR_LAB_FAILED` when nothing came back
 */
export async function runLatency(
  place: BenchPlace,
  carrier: Carrier,
  options: LatencyRunOptions,
): Promise<LatencyRun> {
  const { result, counted } = await countedRun(place, carrier, options.signal, () =>
    pingQuietly(place, options),
  );
  return { ...latencyOf(roundTripsMs(result), options.count, result), ledger: drawUpTunnelLedger(counted) };
}

async function pingQuietly(
  { lab, sender, receiver }: BenchPlace,
  { count, signal }: LatencyRunOptions,
): Promise<string> {
  const path = join(lab.directory, "ping.txt");
  const argv = ["ping", "-n", "-D", "-i", `${INTERVAL_SECONDS}`, "-c", `${count}`, "--", receiver.address];
  const file = openSync(path, "w");
  try {
    const child = sender.start(argv, { stdio: ["ignore", file, file] });
    const kill = (): void => void child.kill("SIGKILL");
    signal.addEventListener("abort", kill, { once: true });
    await once(child, "close").finally(() => signal.removeEventListener("abort", kill));
    signal.throwIfAborted();
  } finally {
    closeSync(file);
  }
  const output = await readFile(path, "utf8");
  await rm(path);
  return output;
}

function latencyOf(timesMs: readonly number[], sent: number, output: string): Omit<LatencyRun, "ledger"> {
  if (timesMs.length === 0) {
    throw new OverlayError(
      "ERR_LAB_FAILED",
      `Cannot measure the round trip: no answer, ping said\n${output}`,
    );
  }
  return {
    sent,
    answered: timesMs.length,
    averageMicros: mean(timesMs) * MICROS_PER_MS,
    p50Micros: percentile(timesMs, 50) * MICROS_PER_MS,
    p99Micros: percentile(timesMs, 99) * MICROS_PER_MS,
  };
}
