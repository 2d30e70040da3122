import type { Clock } from "../net/clock.ts";

/** Wakes one loop that otherwise sleeps. A ring while the loop is at work is not lost: its next wait ends at once. */
export class Bell {
  #hasRung = false;
  #endWait: (() => void) | null = null;

  ring(): void {
    this.#hasRung = true;
    this.#endWait?.();
  }

  /** Forgets a ring: what it was for is being done. */
  silence(): void {
    this.#hasRung = false;
  }

  /** Resolves at the next ring or after `delayMs`. Rejects with the signal's reason when it is aborted. */
  async wait(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const sleep = new AbortController();
    const end = (): void => sleep.abort();
    signal.addEventListener("abort", end, { once: true });
    this.#endWait = end;
    try {
      if (!this.#hasRung) await clock.sleep(delayMs, sleep.signal);
    } catch (err) {
      if (!sleep.signal.aborted) throw err;
    } finally {
      this.#hasRung = false;
      this.#endWait = null;
      signal.removeEventListener("abort", end);
    }
    signal.throwIfAborted();
  }
}
