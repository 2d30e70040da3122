/** How much of one kind of line is written. */
export interface LineLimits {
  /** Written one by one in a window. */
  readonly maxLines: number;
  /** Length of the window, which starts with its first line. */
  readonly windowMs: number;
}

/** One line that may be written, or only counted under `kind`. */
export interface Line {
  readonly kind: string;
  readonly write: () => void;
}

/** How many lines of each kind were not written. */
export type LineCounts = Readonly<Record<string, number>>;

/**
 * Bounds a kind of log line without losing any: what the limits allow is written, what comes on top is counted
 * by kind and summed up, at once the first time and then once more when the window is over. A window so has
 * one line more than its limit.
 */
export class BoundedLines {
  readonly #limits: LineLimits;
  readonly #writeSummary: (counts: LineCounts) => void;
  #windowEndMs = -Infinity;
  #written = 0;
  #hasSummary = false;
  #counts = new Map<string, number>();

  /** @param writeSummary - writes one line for many */
  constructor(limits: LineLimits, writeSummary: (counts: LineCounts) => void) {
    this.#limits = limits;
    this.#writeSummary = writeSummary;
  }

  /** When {@link flush} has something to write, or null. */
  get dueMs(): number | null {
    return this.#counts.size === 0 ? null : this.#windowEndMs;
  }

  /** Takes lines that tell something only together: all are written, or all are counted. */
  addTogether(lines: readonly Line[], nowMs: number): void {
    const isRoom = lines.length <= this.#roomAt(nowMs);
    this.#add(lines, isRoom ? lines.length : 0, nowMs);
  }

  /** Takes lines that each tell something: those that there is room for are written, the others are counted. */
  addEach(lines: readonly Line[], nowMs: number): void {
    this.#add(lines, this.#roomAt(nowMs), nowMs);
  }

  /** Sums up what was only counted, if its window is over. */
  flush(nowMs: number): void {
    if (this.#counts.size === 0 || nowMs < this.#windowEndMs) return;
    this.#openWindow(nowMs); // it has its summary: a steady flood makes one line a window
    this.#summarize();
  }

  #roomAt(nowMs: number): number {
    return nowMs >= this.#windowEndMs ? this.#limits.maxLines : this.#limits.maxLines - this.#written;
  }

  /** Writes the first `room` lines and counts the others. */
  #add(lines: readonly Line[], room: number, nowMs: number): void {
    this.flush(nowMs);
    if (lines.length === 0) return;
    if (nowMs >= this.#windowEndMs) this.#openWindow(nowMs);
    const written = lines.slice(0, room);
    this.#written += written.length;
    for (const line of written) line.write();
    for (const { kind } of lines.slice(room)) this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.#counts.size > 0 && !this.#hasSummary) this.#summarize();
  }

  #openWindow(nowMs: number): void {
    this.#windowEndMs = nowMs + this.#limits.windowMs;
    this.#written = 0;
    this.#hasSummary = false;
  }

  #summarize(): void {
    this.#hasSummary = true;
    this.#writeSummary(Object.fromEntries(this.#counts));
    this.#counts = new Map();
  }
}
