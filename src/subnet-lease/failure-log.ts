import type { Clock } from "../net/clock.ts";

/** A failure that lasts is repeated once a minute, so that whoever looks at the log's end sees it. */
const REMIND_AFTER_MS = 60_000;
/** Most lines in that time, however often the reason changes. */
const MAX_LINES = 8;

/**
 * Decides which failures of something that is tried again and again are worth a line: the first, each with a
 * reason that was not told for a minute, and so a reminder once a minute.
 */
export class FailureLog {
  readonly #clock: Clock;
  /** When each reason was told, not longer ago than a minute; the newest is the last. */
  readonly #told = new Map<string, number>();
  #hasFailed = false;
  #windowStartMs = -Infinity;
  #lines = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when a failure for this reason is to be logged; then it counts as logged. */
  isNews(reason: string): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#windowStartMs >= REMIND_AFTER_MS) {
      this.#windowStartMs = nowMs;
      this.#lines = 0;
    }
    for (const [told, atMs] of this.#told) if (nowMs - atMs >= REMIND_AFTER_MS) this.#told.delete(told);
    if (this.#told.has(reason) || this.#lines >= MAX_LINES) return false;
    this.#told.set(reason, nowMs);
    this.#hasFailed = true;
    this.#lines++;
    return true;
  }

  /** It worked: the next failure is a first one. True when failures went before. */
  clear(): boolean {
    const hadFailed = this.#hasFailed;
    this.#hasFailed = false;
    this.#told.clear();
    return hadFailed;
  }
}
