import { setTimeout as delay } from "node:timers/promises";
import { OverlayError } from "../net/overlay-error.ts";

/** Short against the times a lab is built in, long against the cost of one look. */
const POLL_MS = 20;

/** How long to wait, and for what. */
export interface EventuallyOptions {
  /** Completes "Cannot ...": what was wanted, for the error. */
  readonly what: string;
  readonly timeoutMs: number;
  readonly pollMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Asked at every try: an error ends the wait at once, for then waiting is in vain. */
  readonly giveUp?: () => Error | null;
}

/**
 * Calls `check` until it gives something other than null or false, and resolves with that.
 * @throws {OverlayError} `ERR_LAB_FAILED` at the deadline, with the last failure as cause; what `giveUp`
 *   gives; the signal's reason
 */
export async function eventually<T>(
  check: () => Promise<T | null | false>,
  options: EventuallyOptions,
): Promise<T> {
  const endMs = performance.now() + options.timeoutMs;
  let last: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const result = await check();
      if (result !== null && result !== false) return result;
      last = undefined;
    } catch (err) {
      last = err;
    }
    const hopeless = options.giveUp?.() ?? null;
    if (hopeless !== null) throw hopeless;
    if (performance.now() >= endMs) throw timedOut(options, last);
    await delay(options.pollMs ?? POLL_MS, undefined, options.signal ? { signal: options.signal } : {});
  }
}

function timedOut(options: EventuallyOptions, last: unknown): OverlayError {
  const why = last instanceof Error ? `: ${last.message}` : "";
  return new OverlayError(
    "ERR_LAB_FAILED",
    `Cannot ${options.what}: not so after ${options.timeoutMs} ms${why}`,
    {},
    last instanceof Error ? { cause: last } : {},
  );
}
