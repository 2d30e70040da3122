import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import type { OverlayError } from "../net/overlay-error.ts";

/** Whoever looks at the log's end during an outage sees a line of it. */
const REMIND_AFTER_MS = 60_000;
/** A connection that flaps: each outage is two lines, and ten a minute are the limit. */
const MAX_OUTAGES_IN_WINDOW = 4;
const WINDOW_MS = 60_000;

/** Tells of outages of the registry: one line at the start, one a minute, one at the end. */
export class OutageLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  #startMs: number | null = null;
  #lastLineMs = 0;
  #isAnnounced = false;
  #windowStartMs = -Infinity;
  #outagesInWindow = 0;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** An attempt failed, or what worked has broken. */
  failed(err: OverlayError): void {
    const nowMs = this.#clock.nowMs();
    if (this.#startMs === null) {
      this.#startMs = nowMs;
      this.#isAnnounced = this.#mayAnnounce(nowMs);
      if (!this.#isAnnounced) return;
      this.#lastLineMs = nowMs;
      const fields = { err, ...err.fields };
      if (err.code === "ERR_REGISTRY_DENIED")
        this.#log.error(fields, "The registry denies access to the leases, will retry");
      else this.#log.warn(fields, "Lost contact with the registry, keeping the leases as they are");
    } else if (nowMs - this.#lastLineMs >= REMIND_AFTER_MS) {
      this.#isAnnounced = true;
      this.#lastLineMs = nowMs;
      const outageSeconds = Math.round((nowMs - this.#startMs) / 1000);
      this.#log.warn({ err, ...err.fields, outageSeconds }, "Still no contact with the registry");
    }
  }

  /** Everything works again. */
  recovered(facts: Readonly<Record<string, string | number>>): void {
    if (this.#startMs === null) return;
    const outageMs = Math.round(this.#clock.nowMs() - this.#startMs);
    if (this.#isAnnounced) this.#log.info({ ...facts, outageMs }, "Back in step with the registry");
    this.#startMs = null;
  }

  #mayAnnounce(nowMs: number): boolean {
    if (nowMs - this.#windowStartMs >= WINDOW_MS) {
      this.#windowStartMs = nowMs;
      this.#outagesInWindow = 0;
    }
    return ++this.#outagesInWindow <= MAX_OUTAGES_IN_WINDOW;
  }
}
