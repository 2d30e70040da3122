import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../src/net/clock.ts";

interface Sleeper {
  readonly atMs: number;
  readonly order: number;
  wake(): void;
}

/** A clock moved by hand: nothing happens until `advance` is called, and then in the order of time. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #wallOffsetMs: number;
  #order = 0;
  readonly #sleepers = new Set<Sleeper>();

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallOffsetMs = wallMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(reasonOf(signal));
    if (delayMs <= 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(reasonOf(signal));
      };
      const sleeper: Sleeper = {
        atMs: this.#nowMs + delayMs,
        order: this.#order++,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /**
   * Moves time on. Every sleep that ends meanwhile ends at its own time, and what waits for it has run as far
   * as it can without real I/O before the next one ends.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await turn();
    for (let next = this.#earliest(endMs); next !== null; next = this.#earliest(endMs)) {
      this.#nowMs = next.atMs;
      next.wake();
      await turn();
    }
    this.#nowMs = endMs;
    await turn();
  }

  /** Steps the wall clock alone, as an operator or NTP does. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** How many sleeps wait: 0 after a clean end. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  /** When the next sleep ends, in milliseconds from now, or null when nothing sleeps. */
  get nextWakeMs(): number | null {
    const next = this.#earliest(Infinity);
    return next === null ? null : next.atMs - this.#nowMs;
  }

  #earliest(untilMs: number): Sleeper | null {
    let first: Sleeper | null = null;
    for (const sleeper of this.#sleepers) {
      if (sleeper.atMs > untilMs) continue;
      if (
        first === null ||
        sleeper.atMs < first.atMs ||
        (sleeper.atMs === first.atMs && sleeper.order < first.order)
      ) {
        first = sleeper;
      }
    }
    return first;
  }
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("Aborted", { cause: signal.reason });
}
