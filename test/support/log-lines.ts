import pino from "pino";
import type { Logger } from "pino";

/** One line of a log, with its level in words. */
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A logger that keeps its lines. */
export function recordLog(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const options = {
    level: "debug",
    base: null,
    timestamp: false,
    formatters: { level: (level: string) => ({ level }) },
  };
  const log = pino(options, { write: (line) => lines.push(JSON.parse(line) as LogLine) });
  return { log, lines };
}
