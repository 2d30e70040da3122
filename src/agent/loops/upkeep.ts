/** A loop that keeps something outside the process as it is wished: applies wishes, audits, retries what failed. */
import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import { reasonOf } from "../../net/reason-of.ts";
import { FailureLog } from "../../subnet-lease/failure-log.ts";
import { AuditSchedule } from "./audit-schedule.ts";
import { Bell } from "../../process/bell.ts";

const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5000;

export interface UpkeepTask {
  /** Makes things as the newest wish has them. @throws what stopped it; what is done stays done */
  apply(signal: AbortSignal): Promise<void>;
  /** Compares what stands with the last applied wish; resolves with the number of repairs. */
  audit(signal: AbortSignal): Promise<number>;
  /** False: nothing was applied yet that could be compared. */
  canAudit(): boolean;
  /** Hears of each attempt that failed. */
  onFailure?(err: unknown): void;
  /** Log messages, constant. */
  readonly failureText: string;
  readonly recoveryText: string;
}

export interface UpkeepDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** Runs one attempt at a time. */
export class Upkeep {
  readonly #task: UpkeepTask;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #bell = new Bell();
  readonly #audits: AuditSchedule;
  readonly #failures: FailureLog;
  /** A wish has come, or an attempt has failed, since the last one that worked. */
  #isBehind = true;
  /** When what failed is tried again; null when the last attempt worked. */
  #retryAtMs: number | null = null;
  #retryMs = FIRST_RETRY_MS;

  /** @param auditEveryMs audits come at least this often, without a cause */
  constructor(task: UpkeepTask, { clock, log }: UpkeepDeps, auditEveryMs: number) {
    this.#task = task;
    this.#clock = clock;
    this.#log = log;
    this.#audits = new AuditSchedule(auditEveryMs);
    this.#failures = new FailureLog(clock);
  }

  /** There is something new to apply. */
  wish(): void {
    this.#isBehind = true;
    this.#hurry();
  }

  /** Somebody may have changed what stands: audit soon. */
  doubt(): void {
    const isNews = this.#audits.doubt(this.#clock.nowMs());
    if (isNews || this.#retryAtMs === null) this.#hurry(); // what a failing attempt writes must not hurry the next
  }

  /** Wakes the loop. What has failed may work now, but is tried no more often than at first. */
  #hurry(): void {
    if (this.#retryAtMs !== null) {
      this.#retryMs = FIRST_RETRY_MS;
      this.#retryAtMs = Math.min(this.#retryAtMs, this.#clock.nowMs() + FIRST_RETRY_MS);
    }
    this.#bell.ring();
  }

  /** One attempt outside of the loop; at start, where a failure is the end. @throws what failed */
  async apply(signal: AbortSignal): Promise<void> {
    this.#bell.silence();
    this.#isBehind = false; // a wish that comes from here on is a new one
    await this.#write(() => this.#task.apply(signal));
  }

  /** Works until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#bell.wait(this.#idleMs(), this.#clock, signal).catch(() => undefined);
      if (signal.aborted) return;
      if (this.#idleMs() > 0) continue; // a bell rang, and nothing is due yet
      if (await this.#attempt(signal)) {
        this.#retryAtMs = null;
        this.#retryMs = FIRST_RETRY_MS;
      } else {
        this.#retryAtMs = this.#clock.nowMs() + this.#retryMs;
        this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
      }
    }
  }

  /** Time until something is to be done. */
  #idleMs(): number {
    const nowMs = this.#clock.nowMs();
    if (this.#retryAtMs !== null) return Math.max(0, this.#retryAtMs - nowMs);
    if (this.#isBehind) return 0;
    return this.#task.canAudit() ? Math.max(0, this.#audits.dueMs - nowMs) : Infinity;
  }

  async #attempt(signal: AbortSignal): Promise<boolean> {
    try {
      if (this.#isBehind) await this.apply(signal);
      if (this.#task.canAudit() && this.#audits.dueMs <= this.#clock.nowMs()) await this.#audit(signal);
    } catch (err) {
      if (signal.aborted) return false;
      this.#isBehind = true;
      this.#audits.demand();
      const reason = reasonOf(err);
      if (this.#failures.isNews(reason)) this.#log.error({ err }, this.#task.failureText);
      this.#task.onFailure?.(err);
      return false;
    }
    if (this.#failures.clear()) this.#log.info(this.#task.recoveryText);
    return true;
  }

  async #audit(signal: AbortSignal): Promise<void> {
    this.#audits.begin(this.#clock.nowMs());
    const repairs = await this.#write(() => this.#task.audit(signal));
    this.#audits.done(this.#clock.nowMs(), repairs);
  }

  async #write<T>(run: () => Promise<T>): Promise<T> {
    this.#audits.beginWrite();
    try {
      return await run();
    } finally {
      this.#audits.endWrite(this.#clock.nowMs());
    }
  }
}
