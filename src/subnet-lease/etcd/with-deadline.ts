import type { Clock } from "../../net/clock.ts";

/** What ends the work before it is done. */
export interface DeadlineOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Any of them ends the work, with its own reason. */
  readonly signals: readonly AbortSignal[];
  readonly onTimeout: () => Error;
}

/**
 * Runs `work` and rejects as soon as the time is up or a signal is aborted, whether or not the work notices;
 * the signal it is given tells it. No timer and no listener is left behind.
 */
export async function withDeadline<T>(
  options: DeadlineOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const scope = new AbortController();
  const ended = new AbortController();
  for (const signal of options.signals) {
    const follow = (): void => scope.abort(signal.reason);
    if (signal.aborted) follow();
    else signal.addEventListener("abort", follow, { once: true, signal: ended.signal });
  }
  void options.clock.sleep(options.timeoutMs, ended.signal).then(
    () => scope.abort(options.onTimeout()),
    () => undefined,
  );
  try {
    return await Promise.race([rejectOnAbort(scope.signal, ended.signal), work(scope.signal)]);
  } finally {
    ended.abort();
  }
}

function rejectOnAbort(signal: AbortSignal, ended: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const rejectNow = (): void => reject(signal.reason as Error);
    if (signal.aborted) rejectNow();
    else signal.addEventListener("abort", rejectNow, { once: true, signal: ended });
  });
}
