/** The frame of a long-running command: from its first line in the log to its exit status. */
import type { Logger } from "pino";
import { loadAddon } from "../addon/addon.ts";
import { endProcess } from "./end-process.ts";
import { abortOnStopSignals, exitOnFaults } from "./stop-signals.ts";

const EXIT_OK = 0;
const EXIT_FAILURE = 1;

/** What a command is, for its log. */
export interface CommandFacts {
  /** What it was started with, logged at the start. */
  readonly options: object;
  /** What is said when it cannot go on. */
  readonly failure: string;
}

/**
 * Runs `work`, whose signal is aborted when the process is to stop; resolves with the exit status, and the process ends with
 * it soon after. Errors are logged.
 */
export async function runToEnd(
  log: Logger,
  facts: CommandFacts,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<number> {
  exitOnFaults(log);
  const signal = abortOnStopSignals(log, () => undefined);
  const status = await statusOf(log, facts, work, signal);
  endProcess(status, log);
  return status;
}

async function statusOf(
  log: Logger,
  { options, failure }: CommandFacts,
  work: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  try {
    loadAddon(); // the end may need it: without it nothing begins
    log.info({ pid: process.pid, ...options }, "Starting");
    await work(signal);
  } catch (err) {
    if (!signal.aborted) {
      log.fatal({ err }, failure);
      return EXIT_FAILURE;
    }
  }
  log.info("Stopped");
  return EXIT_OK;
}
