import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../net/clock.ts";

/** Longest wait a JavaScript timer can hold: 2^31 - 1 ms; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock: `performance.now()` is CLOCK_MONOTONIC. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  async sleep(delayMs, signal) {
    const end = performance.now() + delayMs;
    for (let left = delayMs; left > 0; left = end - performance.now()) {
      await delay(Math.min(Math.ceil(left), MAX_TIMER_MS), undefined, { signal }).catch((err: unknown) => {
        signal.throwIfAborted();
        throw err;
      });
    }
    signal.throwIfAborted();
  },
};
