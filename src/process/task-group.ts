/**
 * Loops that live and die together: when one fails, the others are stopped, and whoever waits for the group
 * gets the failure.
 */
export class TaskGroup {
  readonly #stop = new AbortController();
  readonly #tasks: Promise<void>[] = [];
  readonly #onOuterAbort: () => void;
  readonly #outer: AbortSignal;
  #failure: { readonly err: unknown } | null = null;

  /** The group ends with `outer`, or alone. */
  constructor(outer: AbortSignal) {
    this.#outer = outer;
    this.#onOuterAbort = () => this.stop();
    if (outer.aborted) this.stop();
    else outer.addEventListener("abort", this.#onOuterAbort, { once: true });
  }

  /** Aborted when the group ends, for whichever reason. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Starts a loop. It ends when its signal is aborted; an error before that ends the group. */
  start(run: (signal: AbortSignal) => Promise<void>): void {
    this.#tasks.push(run(this.signal).catch((err: unknown) => this.fail(err)));
  }

  /** Ends the group because of `err`; of several errors the first counts, after the end none. */
  fail(err: unknown): void {
    if (!this.signal.aborted) this.#failure = { err };
    this.stop();
  }

  stop(): void {
    this.#outer.removeEventListener("abort", this.#onOuterAbort);
    this.#stop.abort();
  }

  /** Resolves when every loop has ended after a stop. @throws the error that ended the group */
  async ended(): Promise<void> {
    if (!this.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    await Promise.all(this.#tasks);
    if (this.#failure !== null) throw this.#failure.err;
  }
}
