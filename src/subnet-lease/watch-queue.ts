/** Batches of a watch between the stream that brings them and the loop that reads them. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { OverlayError } from "../net/overlay-error.ts";
import type { WatchBatch } from "./registry.ts";

/** A reader this far behind is stuck; to list again costs less than to keep more. */
const MAX_QUEUED_BATCHES = 1_000;

/** Holds what a watch brought until it is read. One writer, one reader. */
export class WatchQueue {
  readonly #signal: AbortSignal;
  readonly #queue: WatchBatch[] = [];
  #failure: Error | null = null;
  #wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  push(batch: WatchBatch): void {
    if (this.#queue.length >= MAX_QUEUED_BATCHES) this.fail(overrunError());
    if (this.#failure === null) this.#queue.push(batch);
    this.#wake();
  }

  /** Ends the watch with an error, after what came before. Only the first one counts. */
  fail(failure: Error): void {
    this.#failure ??= failure;
    this.#wake();
  }

  /**
   * Everything pushed, in order. The first batch comes alone; what waits while one is worked on comes as one, after a turn
   * of the event loop: a reader that falls behind has fewer batches to read, and timers and sockets are not kept waiting.
   * Ends when the signal is aborted, throws what the watch failed with.
   */
  async *batches(): AsyncGenerator<WatchBatch> {
    const onAbort = (): void => this.#wake();
    this.#signal.addEventListener("abort", onAbort);
    try {
      let isFirst = true;
      while (!this.#signal.aborted) {
        const batch = mergeBatches(this.#queue.splice(0, isFirst ? 1 : Infinity));
        if (batch !== null) {
          isFirst = false;
          yield batch;
          await nextTurn();
        } else if (this.#failure !== null) throw this.#failure;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
    }
  }
}

/** All events, and where the last batch stands; null of none. */
function mergeBatches(batches: readonly WatchBatch[]): WatchBatch | null {
  const last = batches.at(-1);
  return last === undefined ? null : { events: batches.flatMap(({ events }) => events), header: last.header };
}

function overrunError(): OverlayError {
  const message = `Cannot watch keys: ${MAX_QUEUED_BATCHES} batches wait to be read`;
  return new OverlayError("ERR_REGISTRY_UNAVAILABLE", message);
}
