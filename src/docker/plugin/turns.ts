/** One thing at a time, each in its turn. */
export class Turns {
  /** Ends when all that was asked for so far is done. */
  #last: Promise<unknown> = Promise.resolve();
  #length = 0;

  /** Turns that are under way or waited for. */
  get length(): number {
    return this.#length;
  }

  /** Runs when all that was asked for before has ended, well or not. */
  async take<T>(run: () => Promise<T>): Promise<T> {
    this.#length++;
    const turn = this.#last.then(run).finally(() => this.#length--);
    this.#last = turn.catch(() => undefined); // whoever asked hears of it
    return await turn;
  }

  /** Resolves when nothing is under way that was asked for before this. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
