import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import { showUntrusted } from "../net/untrusted-text.ts";
import { MAX_LEASES } from "./lease-table.ts";
import type { Rejection } from "./lease-table.ts";

/** Enough to see what is wrong; whoever writes rubbish must not fill the disk. */
const MAX_LINES_IN_WINDOW = 5;
const WINDOW_MS = 60_000;

/** Tells of leases that are left out: a few a minute in full, the rest as a number. */
export class RejectionLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  #windowStartMs = -Infinity;
  #lines = 0;
  #isOverLimit = false;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** @param rejections each for a write that was not told of before */
  report(rejections: readonly Rejection[]): void {
    if (rejections.length === 0) return;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#lines = 0;
    }
    const isQuiet = this.#lines > MAX_LINES_IN_WINDOW;
    const told = rejections.slice(0, Math.max(0, MAX_LINES_IN_WINDOW - this.#lines));
    for (const { key, modRevision, reason, detail } of told) {
      const facts = { key: showUntrusted(key), modRevision: modRevision.toString(), reason, detail };
      this.#log.warn(facts, "Lease rejected");
    }
    this.#lines += rejections.length;
    const untold = rejections.length - told.length;
    if (untold > 0 && !isQuiet)
      this.#log.warn({ count: untold }, "More leases rejected, see the status for their number");
  }

  /** One line each time the limit is passed. */
  reportOverLimit(count: number): void {
    const isOverLimit = count > 0;
    if (isOverLimit && !this.#isOverLimit) {
      this.#log.error(
        { leftOut: count, limit: MAX_LEASES },
        "Too many leases in the registry, leaving out the newest",
      );
    }
    this.#isOverLimit = isOverLimit;
  }
}
