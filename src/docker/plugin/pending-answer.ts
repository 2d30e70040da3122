/**
 * An answer that somebody waits for, until a deadline or until they go away. It is given once: who gives it later hears that
 * nobody listens any more, and knows what that means for the work that was done for it.
 */
export class PendingAnswer<T> {
  /** What is heard: the answer, or the reason why there is none. */
  readonly heard: Promise<T>;
  readonly #resolvers = Promise.withResolvers<T>();
  readonly #timer: NodeJS.Timeout;
  #isOpen = true;

  /**
   * @param tooLate the error that is heard at the deadline
   * @param gone is aborted when nobody waits any more; its reason is the error then
   */
  constructor(deadlineMs: number, tooLate: () => Error, gone: AbortSignal) {
    this.heard = this.#resolvers.promise;
    this.#timer = setTimeout(() => this.refuse(tooLate()), deadlineMs);
    if (gone.aborted) this.refuse(gone.reason);
    else gone.addEventListener("abort", () => this.refuse(gone.reason), { once: true });
  }

  /** Whether somebody waits. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** False: it is not heard. */
  give(answer: T): boolean {
    return this.#close(() => this.#resolvers.resolve(answer));
  }

  /** False: it is not heard. */
  refuse(reason: unknown): boolean {
    return this.#close(() => this.#resolvers.reject(reason));
  }

  #close(settle: () => void): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    settle();
    return true;
  }
}
