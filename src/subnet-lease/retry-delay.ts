/** A break of a moment is over at once. */
const FIRST_DELAY_MS = 100;
/** With the time an attempt takes this keeps "back in step within 6 s of the registry's return". */
export const MAX_RETRY_DELAY_MS = 4_000;
const MAX_DOUBLINGS = 6; // 100 ms * 2^6 is past the maximum

/**
 * How long to wait before attempt number `attempt` (0 is the first after a success): doubling, of which a
 * random half is left out, so that a thousand agents do not come back in the same millisecond.
 */
export function retryDelayMs(attempt: number, random: () => number): number {
  const fullMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempt, MAX_DOUBLINGS), MAX_RETRY_DELAY_MS);
  return fullMs * (0.5 + random() / 2);
}
