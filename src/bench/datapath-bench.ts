/** `twill bench datapath`: what carrying packets costs, every row on the same hosts within one run. */
import { fileURLToPath } from "node:url";
import { createLabWithLogs } from "../lab/create-lab-with-logs.ts";
import type { Lab } from "../lab/lab.ts";
import { checkMachine, thisMachine } from "../lab/machine/required-tools.ts";
import { saveLogs, withLogs } from "../lab/show/save-logs.ts";
import { benchPlace } from "./bench-place.ts";
import type { BenchPlace } from "./bench-place.ts";
import { SCHEMA_VERSION } from "./bench-result.ts";
import type { BenchResult, RowMeasurement } from "./bench-result.ts";
import { orderOfRepeat } from "./bench-rows.ts";
import type { BenchRow } from "./bench-rows.ts";
import { startCarrier } from "./carry/carrier.ts";
import { clearHost } from "./carry/clear-host.ts";
import { makeControlLink } from "./carry/control-link.ts";
import { readMachineFacts } from "./machine-facts.ts";
import type { MachineFacts } from "./machine-facts.ts";
import { ResultFile } from "./result-file.ts";
import { formatProgress, formatResult, unaccountedIn, warnWhenBusy } from "./show/format-result.ts";
import { measureRow } from "./traffic/row-runs.ts";
import type { RowRunsOptions } from "./traffic/row-runs.ts";
import type { TrafficKind } from "./traffic/traffic-kind.ts";

/** What to measure, and where to say it. */
export interface BenchOptions {
  readonly rows: readonly BenchRow[];
  readonly traffic: readonly TrafficKind[];
  readonly repeats: number;
  readonly secondsPerRun: number;
  readonly queues: number | null;
  readonly jsonPath: string;
  readonly stateDirectory?: string | undefined;
  /** For the record. */
  readonly commandLine: readonly string[];
  /** Takes the tables. */
  readonly out: NodeJS.WritableStream;
  /** Takes what was just done. */
  readonly progress: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const IPERF: ReadonlyMap<string, string> = new Map([["iperf3", "iperf3"]]);

/**
 * Measures, prints, writes the JSON file. Resolves with whether every UDP datagram was accounted for.
 * @throws {OverlayError} `ERR_OPTION_INVALID` when the file cannot be opened, before anything is made; `ERR_LAB_FAILED`
 */
export async function runDatapathBench(options: BenchOptions): Promise<boolean> {
  checkMachine(thisMachine(), IPERF);
  const file = await ResultFile.open(options.jsonPath);
  try {
    const result = await measureInLab(options);
    options.out.write(formatResult(result)); // first: what fails from here on costs no figure
    await file.write(result);
    options.progress.write(`All values are in ${options.jsonPath}\n`);
    return unaccountedIn(result) === 0;
  } finally {
    await file.close();
  }
}

async function measureInLab(options: BenchOptions): Promise<BenchResult> {
  const startedAt = new Date().toISOString();
  const machine = await readMachineFacts(ROOT);
  options.progress.write(warnWhenBusy(machine));
  const lab = await createLabWithLogs({
    owner: "bench",
    hosts: 2,
    stateDirectory: options.stateDirectory,
    countLeaks: false, // its rules would look at every packet, and plain routes are in clear
    signal: options.signal,
    onProgress: (text) => void options.progress.write(`${text}\n`),
  });
  const measurements = await measureAndTakeDown(lab, machine, options);
  return {
    schema: "twill-bench-datapath",
    schemaVersion: SCHEMA_VERSION,
    startedAt,
    machine,
    commandLine: options.commandLine,
    settings: {
      repeats: options.repeats,
      secondsPerRun: options.secondsPerRun,
      traffic: options.traffic,
      queues: options.queues,
      rows: options.rows,
    },
    measurements,
  };
}

async function measureAndTakeDown(
  lab: Lab,
  { receiveBufferBytes }: MachineFacts,
  options: BenchOptions,
): Promise<RowMeasurement[]> {
  try {
    const place = benchPlace(lab);
    await Promise.all(lab.hosts.map((host) => host.agent.stop()));
    await Promise.all(lab.hosts.map(clearHost));
    await makeControlLink(place, options.signal);
    return await measureRows(place, options, { ...options, receiveBufferBytes });
  } catch (err) {
    throw options.signal.aborted ? err : withLogs(err, await saveLogs(lab));
  } finally {
    await lab.down();
  }
}

async function measureRows(
  place: BenchPlace,
  { rows, repeats, signal, progress }: BenchOptions,
  runs: RowRunsOptions,
): Promise<RowMeasurement[]> {
  const measurements: RowMeasurement[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const row of orderOfRepeat(rows, repeat)) {
      const carrier = await startCarrier(place, row, signal);
      try {
        const measured = await measureRow(place, carrier, runs);
        const measurement = { row: row.name, repeat: repeat + 1, ...measured };
        progress.write(formatProgress(measurement, repeats));
        measurements.push(measurement);
      } finally {
        await carrier.stop();
      }
    }
  }
  return measurements;
}
