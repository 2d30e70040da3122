import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";

/**
 * Pause after the first write, doubled after each that follows it: what is not written when the process is
 * killed is forgotten, but a cluster in motion changes the state many times a second.
 */
export const FIRST_PAUSE_MS = 25;
/** Longest pause, in lengths of the write before it: writing then takes a twentieth of the time. */
export const MAX_PAUSE_PER_WRITE = 19;
/** After a failure; a disk that has room again is noticed within the 30 s that we promise. */
export const RETRY_MS = 10_000;

export interface DebouncedWriterOptions<T> {
  /** Makes `state` durable, or rejects. Never called twice at a time. */
  readonly write: (state: T) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Writes the newest state down, the first at once and those that follow at growing distances. A failed write
 * is logged once and tried again until it succeeds or a newer state takes its place.
 */
export class DebouncedWriter<T> {
  readonly #options: DebouncedWriterOptions<T>;
  readonly #closing = new AbortController();
  #pending: { readonly state: T } | null = null;
  #run: Promise<void> | null = null;
  #isFailing = false;

  constructor(options: DebouncedWriterOptions<T>) {
    this.#options = options;
  }

  /** Takes the state to be written next. After `close` it does nothing. */
  set(state: T): void {
    if (this.#closing.signal.aborted) return;
    this.#pending = { state };
    this.#run ??= this.#writeAll();
  }

  /** Writes what is still to be written, once, and leaves no timer behind. Never rejects. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#run;
  }

  async #writeAll(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    for (let pauseMs = FIRST_PAUSE_MS; this.#pending !== null; pauseMs *= 2) {
      const next = this.#pending;
      this.#pending = null;
      const startMs = clock.nowMs();
      const isWritten = await this.#tryWrite(next.state);
      const longestMs = Math.max(FIRST_PAUSE_MS, MAX_PAUSE_PER_WRITE * (clock.nowMs() - startMs));
      pauseMs = Math.min(pauseMs, longestMs);
      if (!isWritten && signal.aborted) break;
      if (!isWritten) this.#pending ??= next;
      // A close ends the wait; what came meanwhile is then written at once.
      await clock.sleep(isWritten ? pauseMs : RETRY_MS, signal).catch(() => undefined);
    }
    this.#run = null;
  }

  async #tryWrite(state: T): Promise<boolean> {
    const { write, log } = this.#options;
    try {
      await write(state);
      if (this.#isFailing) log.info("State saved again");
      this.#isFailing = false;
      return true;
    } catch (err) {
      if (!this.#isFailing) log.warn({ err }, "Cannot save the state, will retry");
      this.#isFailing = true;
      return false;
    }
  }
}
