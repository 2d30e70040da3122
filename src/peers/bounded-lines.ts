/** Of one kind of line, per window: a person reads ten, and a cluster in motion makes a hundred a second. */
export const MAX_LINES = 10;
/** Length of the window. */
export const LINES_WINDOW_MS = 10_000;

/** One line that may be written, or only counted under `kind`. */
export interface Line {
  readonly kind: string;
  readonly write: () => void;
}

/**
 * Bounds a kind of log line. Up to {@link MAX_LINES} in {@link LINES_WINDOW_MS} are written; what comes on
 * top is counted by kind and summed up: at once the first time, then once more when the window is over.
 */
export class BoundedLines {
  readonly #writeSummary: (counts: Readonly<Record<string, number>>) => void;
  #windowEndMs = -Infinity;
  #written = 0;
  #hasSummary = false;
  #counts = new Map<string, number>();

  /** @param writeSummary - writes one line for many; gets how many there were of each kind */
  constructor(writeSummary: (counts: Readonly<Record<string, number>>) => void) {
    this.#writeSummary = writeSummary;
  }

  /** When {@link flush} has something to write, or null. */
  get dueMs(): number | null {
    return this.#counts.size === 0 ? null : this.#windowEndMs;
  }

  /** Takes lines that belong together: all are written, or all are counted. */
  add(lines: readonly Line[], nowMs: number): void {
    this.flush(nowMs);
    if (lines.length === 0) return;
    if (nowMs >= this.#windowEndMs) this.#openWindow(nowMs);
    if (this.#written + lines.length <= MAX_LINES) {
      this.#written += lines.length;
      for (const line of lines) line.write();
      return;
    }
    for (const { kind } of lines) this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (!this.#hasSummary) this.#summarize();
  }

  /** Sums up what was only counted, if its window is over. */
  flush(nowMs: number): void {
    if (this.#counts.size === 0 || nowMs < this.#windowEndMs) return;
    this.#openWindow(nowMs); // it has its summary: a steady flood makes one line a window
    this.#summarize();
  }

  #openWindow(nowMs: number): void {
    this.#windowEndMs = nowMs + LINES_WINDOW_MS;
    this.#written = 0;
    this.#hasSummary = false;
  }

  #summarize(): void {
    this.#hasSummary = true;
    this.#writeSummary(Object.fromEntries(this.#counts));
    this.#counts = new Map();
  }
}
