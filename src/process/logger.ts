/** The log of a command: JSON lines on standard output, for journald and collectors. */
import pino from "pino";
import type { DestinationStream, Logger } from "pino";
import { OverlayError } from "../net/overlay-error.ts";

const STANDARD_OUTPUT_FD = 1;

/** What `--log-level` takes, the most severe first. */
export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug"] as const;

/** Least severe lines that are written. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A logger whose lines are `{level, time, msg}` and the facts. Lines are written at once, so the last one
 * before an exit is never lost; there are few of them.
 */
export function createLogger(level: LogLevel, destination: DestinationStream = standardOutput()): Logger {
  const isDebug = level === "debug";
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (facts) => spreadError(facts, isDebug),
      },
    },
    destination,
  );
}

function standardOutput(): DestinationStream {
  return pino.destination({ dest: STANDARD_OUTPUT_FD, sync: true });
}

/**
 * The error under `err` as its message, with its code and facts beside it. Stacks are for us, not for
 * operators: they come with debug, or when the error is not one we foresaw.
 */
function spreadError(facts: Record<string, unknown>, isDebug: boolean): Record<string, unknown> {
  const { err, ...rest } = facts;
  if (!(err instanceof Error)) return facts;
  const isForeseen = err instanceof OverlayError;
  return {
    ...rest,
    ...(isForeseen ? { ...err.fields, code: err.code } : {}),
    err: err.message,
    ...(isDebug || !isForeseen ? { stack: err.stack } : {}),
  };
}
