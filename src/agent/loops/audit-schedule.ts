/** When the kernel is compared with what should be: soon after somebody changed it, and now and then without a cause. */

/** Changes come in bursts: one audit answers all of them. */
const SETTLE_MS = 50;
/** Between two audits that events ask for. */
const MIN_INTERVAL_MS = 500;
/** Longer where audits take long: this share of the time, at most, goes into them. */
const MAX_AUDIT_SHARE = 1 / 10;
/** However long they take. */
const MAX_INTERVAL_MS = 5_000;
/** After an audit that repaired something: whoever fights us gets one write for each object in this time. */
const MIN_INTERVAL_AFTER_REPAIR_MS = 1_000;
/**
 * What we write comes back as events in this time. Among them may be somebody else's: they are looked at, later; soon
 * after a repair, as whoever undid our work may do so again at once.
 */
const ECHO_MS = 30;
const ECHO_AUDIT_AFTER_MS = 5_000;

/** Times are those of `Clock.nowMs`. */
export class AuditSchedule {
  readonly #everyMs: number;
  /** End of the last audit; null: the first is due at once. */
  #lastMs: number | null = null;
  #beganMs = 0;
  #durationMs = 0;
  #hadRepairs = false;
  /** When the doubts of now ask for an audit; infinite without any. */
  #doubtDueMs = Infinity;
  #isWriting = false;
  #echoUntilMs = -Infinity;

  /** @param everyMs audits come this often without a cause: they repair what was broken without an event */
  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Something that we care for has changed in the kernel. False when it may be our own doing. */
  doubt(nowMs: number): boolean {
    const isEcho = this.#isWriting || nowMs < this.#echoUntilMs;
    const echoMs = this.#hadRepairs ? MIN_INTERVAL_AFTER_REPAIR_MS : ECHO_AUDIT_AFTER_MS;
    const settledMs = nowMs + (isEcho ? echoMs : SETTLE_MS);
    const dueMs = Math.max(settledMs, (this.#lastMs ?? -Infinity) + this.#pauseMs);
    this.#doubtDueMs = Math.min(this.#doubtDueMs, dueMs);
    return !isEcho;
  }

  get #pauseMs(): number {
    const leastMs = this.#hadRepairs ? MIN_INTERVAL_AFTER_REPAIR_MS : MIN_INTERVAL_MS;
    return Math.max(leastMs, Math.min(this.#durationMs / MAX_AUDIT_SHARE, MAX_INTERVAL_MS));
  }

  /** An attempt has failed: nobody knows what stands. */
  demand(): void {
    this.#doubtDueMs = -Infinity;
  }

  /** When the next audit is due. */
  get dueMs(): number {
    return this.#lastMs === null ? -Infinity : Math.min(this.#doubtDueMs, this.#lastMs + this.#everyMs);
  }

  /** From here to {@link endWrite} changes are our own. */
  beginWrite(): void {
    this.#isWriting = true;
  }

  endWrite(nowMs: number): void {
    this.#isWriting = false;
    this.#echoUntilMs = nowMs + ECHO_MS;
  }

  /** An audit begins: it answers the doubts of before. */
  begin(nowMs: number): void {
    this.#beganMs = nowMs;
    this.#doubtDueMs = Infinity;
  }

  /** The audit has ended well. */
  done(nowMs: number, repairs: number): void {
    this.#lastMs = nowMs;
    this.#durationMs = nowMs - this.#beganMs;
    this.#hadRepairs = repairs > 0;
    // Of events that came meanwhile. When nothing was repaired nothing was written, so they are no echo.
    const hasDoubts = this.#doubtDueMs !== Infinity;
    if (hasDoubts) this.#doubtDueMs = nowMs + this.#pauseMs;
    if (!this.#hadRepairs) this.#echoUntilMs = -Infinity;
  }
}
