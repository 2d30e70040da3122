import type { Logger } from "pino";
import { BoundedLines } from "../net/bounded-lines.ts";
import type { Clock } from "../net/clock.ts";
import { escapeUntrusted } from "../net/untrusted-text.ts";
import { MAX_LEASES } from "./lease-table.ts";
import type { Rejection } from "./lease-table.ts";

const MINUTE_MS = 60_000;
/**
 * Enough to see what is wrong. Whoever writes rubbish must not fill the disk: with the summary, the alarm and
 * the five lines of `PeerLog` this makes ten a minute.
 */
const LIMITS = { maxLines: 3, windowMs: MINUTE_MS };

/** Tells of lease keys that are left out: each write once, a few a minute in full and the others as a number. */
export class RejectionLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #lines: BoundedLines;
  #isSumAwaited = false;
  #isOverLimit = false;
  #nextAlarmMs = -Infinity;

  /** @param signal - ends the log; what is only counted then is summed up at once */
  constructor(clock: Clock, log: Logger, signal: AbortSignal) {
    this.#clock = clock;
    this.#log = log;
    this.#signal = signal;
    this.#lines = new BoundedLines(LIMITS, (counts) => log.warn({ keys: counts }, "More leases rejected"));
  }

  /** @param rejections - each for a write that was not told of before */
  report(rejections: readonly Rejection[]): void {
    const lines = rejections.map((rejection) => ({
      kind: rejection.reason,
      write: () => this.#log.warn(factsOf(rejection), "Lease rejected"),
    }));
    this.#lines.addEach(lines, this.#clock.nowMs());
    if (!this.#isSumAwaited) void this.#sumUpInTime();
  }

  /** One line when the limit is passed, however often that happens one a minute at most. */
  reportOverLimit(leftOut: number): void {
    if (leftOut === 0) this.#isOverLimit = false;
    const nowMs = this.#clock.nowMs();
    if (leftOut === 0 || this.#isOverLimit || nowMs < this.#nextAlarmMs) return;
    this.#isOverLimit = true;
    this.#nextAlarmMs = nowMs + MINUTE_MS;
    const facts = { leftOut, limit: MAX_LEASES };
    this.#log.error(facts, "Too many leases in the registry, leaving out the newest");
  }

  /** Waits for the end of the window, or of the log, while there is something to sum up. Never rejects. */
  async #sumUpInTime(): Promise<void> {
    this.#isSumAwaited = true;
    for (let { dueMs } = this.#lines; dueMs !== null; { dueMs } = this.#lines) {
      const nowMs = await this.#clock.sleep(dueMs - this.#clock.nowMs(), this.#signal).then(
        () => this.#clock.nowMs(),
        () => Infinity, // aborted: there is no later
      );
      this.#lines.flush(nowMs);
    }
    this.#isSumAwaited = false;
  }
}

function factsOf({ key, modRevision, reason, detail }: Rejection): Record<string, string> {
  return { key: escapeUntrusted(key), modRevision: modRevision.toString(), reason, detail };
}
