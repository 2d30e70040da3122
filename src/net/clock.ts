/** Time as an argument: the agent passes the machine's clock, tests pass one they move by hand. */
export interface Clock {
  /** Milliseconds since an arbitrary start, never going back, not moved by a change of the wall clock. */
  nowMs(): number;
  /** Milliseconds since 1970 by the wall clock: only for times that are written down or shown. */
  wallMs(): number;
  /**
   * Resolves `delayMs` from now. Rejects with the signal's reason when it is aborted first; then, and after
   * the time, nothing is left behind.
   */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}
