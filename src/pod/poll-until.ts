import { setTimeout as delay } from "node:timers/promises";

/** Short against what a person notices, long against the cost of one look. */
const POLL_MS = 20;

/** Calls `check` until it gives something other than null, and resolves with that; with null after `timeoutMs`. */
export async function pollUntil<T>(
  check: () => T | null | Promise<T | null>,
  timeoutMs: number,
): Promise<T | null> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const result = await check();
    if (result !== null || performance.now() >= endMs) return result;
    await delay(POLL_MS);
  }
}
