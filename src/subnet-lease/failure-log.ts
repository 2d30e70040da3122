import type { Clock } from "../net/clock.ts";

/** A failure that lasts is repeated once a minute, so that whoever looks at the log's end sees it. */
const REMIND_AFTER_MS = 60_000;
/** Most lines in that time, however often the reason changes. */
const MAX_LINES = 8;

/**
 * Decides which failures of something that is tried again and again are worth a line: the first, each with
 * another reason than the last, and a reminder once a minute.
 */
export class FailureLog {
  readonly #clock: Clock;
  #reason: string | null = null;
  #lastLineMs = 0;
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
    const isNew = reason !== this.#reason || nowMs - this.#lastLineMs >= REMIND_AFTER_MS;
    if (!isNew || this.#lines >= MAX_LINES) return false;
    this.#reason = reason;
    this.#lastLineMs = nowMs;
    this.#lines++;
    return true;
  }

  /** It worked: the next failure is a first one. True when failures went before. */
  clear(): boolean {
    const hadFailed = this.#reason !== null;
    this.#reason = null;
    return hadFailed;
  }
}
