import { setTimeout as delay } from "node:timers/promises";

/** Long enough for a loaded machine with two cores; a condition that holds ends the wait at once. */
const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_POLL_MS = 10;

/**
 * Waits until `check` neither throws nor gives false, and resolves with what it gave. At the deadline it
 * fails with what `check` last threw, so that an `expect` in it tells what was missing; a lab's own
 * (src/lab/eventually.ts) fails with a sentence for users instead.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: { readonly timeoutMs?: number; readonly pollMs?: number } = {},
): Promise<Exclude<T, false>> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    try {
      const result = await check();
      if (result !== false) return result as Exclude<T, false>;
      if (performance.now() >= endMs) throw new Error(`The condition did not hold within ${timeoutMs} ms`);
    } catch (err) {
      if (performance.now() >= endMs) throw err;
    }
    await delay(options.pollMs ?? DEFAULT_POLL_MS);
  }
}
