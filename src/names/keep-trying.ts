import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { FailureLog } from "../subnet-lease/failure-log.ts";
import { retryDelayMs } from "../subnet-lease/retry-delay.ts";

export interface KeepTryingOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Log lines: what failed and is tried again, and that it works again. */
  readonly failed: string;
  readonly recovered: string;
}

/**
 * Runs `work` until the signal is aborted, then resolves; when it ends or fails before, again after a growing delay. `work`
 * calls `onSuccess` whenever it has come through. Rejects with a fault of the program only.
 */
export async function keepTrying(
  { clock, random, log, failed, recovered }: KeepTryingOptions,
  work: (onSuccess: () => void) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const failures = new FailureLog(clock);
  const isOver = (): boolean => signal.aborted;
  for (let attempt = 0; !isOver(); attempt++) {
    try {
      await work(() => {
        attempt = 0;
        if (failures.clear()) log.info(recovered);
      });
    } catch (err) {
      if (isOver()) return;
      if (!(err instanceof OverlayError)) throw err;
      if (failures.isNews(err.message)) log.warn({ err, ...err.fields }, failed);
    }
    await clock.sleep(retryDelayMs(attempt, random), signal).catch(() => undefined);
  }
}
