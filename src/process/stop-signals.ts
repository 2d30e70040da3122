/** How a long-running command ends: politely by a signal, within a deadline, or at once by a fault of its own. */
import type { Logger } from "pino";

/** From the first signal to the end of the process. */
export const STOP_DEADLINE_MS = 2000;
const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;
const EXIT_FAILURE = 1;

/**
 * A signal that is aborted by the first SIGTERM or SIGINT. The next one ends the process as if nobody
 * listened, and so does the deadline, with status 1 and a line.
 */
export function abortOnStopSignals(log: Logger, onStop: () => void): AbortSignal {
  const stop = new AbortController();
  const handle = (name: NodeJS.Signals): void => {
    for (const one of STOP_SIGNALS) process.removeListener(one, handle);
    log.info({ signal: name }, "Stopping");
    onStop();
    armStopDeadline(log);
    stop.abort();
  };
  for (const one of STOP_SIGNALS) process.on(one, handle);
  return stop.signal;
}

/**
 * Ends the process with one line when an error reaches nobody: its state is unknown then. What protects
 * the overlay's packets stays in the kernel, and the next start carries on.
 */
export function exitOnFaults(log: Logger): void {
  const exit = (err: unknown): void => {
    log.fatal({ err: err instanceof Error ? err : new Error(String(err)) }, "Fault in twill, exiting");
    process.exit(EXIT_FAILURE);
  };
  process.on("uncaughtException", exit); // a rejection that nobody handles arrives here too
}

/** Ends the process with a line if something still keeps it alive after {@link STOP_DEADLINE_MS}. */
function armStopDeadline(log: Logger): void {
  setTimeout(() => {
    log.fatal({ deadlineMs: STOP_DEADLINE_MS }, "Cannot stop in time, exiting anyway");
    process.exit(EXIT_FAILURE);
  }, STOP_DEADLINE_MS).unref();
}
