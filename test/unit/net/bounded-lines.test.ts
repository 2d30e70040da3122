import { beforeEach, describe, expect, it } from "vitest";
import { BoundedLines } from "../../../src/net/bounded-lines.ts";
import type { Line, LineCounts } from "../../../src/net/bounded-lines.ts";

const MAX_LINES = 10;
const WINDOW_MS = 10_000;

let out: (string | LineCounts)[];
let lines: BoundedLines;
beforeEach(() => {
  out = [];
  lines = new BoundedLines({ maxLines: MAX_LINES, windowMs: WINDOW_MS }, (counts) => out.push(counts));
});

function linesOf(kinds: readonly string[]): Line[] {
  return kinds.map((kind) => ({ kind, write: () => out.push(kind) }));
}

function many(count: number): string[] {
  return Array<string>(count).fill("added");
}

/** How many lines were told of, each for itself or in a summary. */
function toldOf(): number {
  return out.reduce((sum, line) => sum + (typeof line === "string" ? 1 : (line.added ?? 0)), 0);
}

describe("BoundedLines.addTogether", () => {
  const add = (nowMs: number, ...kinds: string[]): void => lines.addTogether(linesOf(kinds), nowMs);

  it("writes few lines one by one", () => {
    add(0, ...many(MAX_LINES));
    expect(out).toEqual(many(MAX_LINES));
    expect(lines.dueMs).toBeNull();
  });

  it("sums up more than there is room for, by kind", () => {
    add(0, ...many(MAX_LINES), "removed");
    expect(out).toEqual([{ added: MAX_LINES, removed: 1 }]);
    expect(lines.dueMs).toBeNull();
  });

  it("sums up at once what first exceeds the window, and the rest when the window is over", () => {
    for (let i = 0; i < 100; i += 1) add(i, "added");
    expect(out).toEqual([...many(MAX_LINES), { added: 1 }]);
    expect(lines.dueMs).toBe(WINDOW_MS);
    lines.flush(WINDOW_MS - 1);
    expect(out).toHaveLength(MAX_LINES + 1);
    lines.flush(WINDOW_MS);
    expect(out.at(-1)).toEqual({ added: 89 });
    expect(lines.dueMs).toBeNull();
  });

  it("sums up the window before the next line, if nobody asked before", () => {
    for (let i = 0; i < 20; i += 1) add(i, "added");
    add(WINDOW_MS, "removed");
    expect(out.slice(MAX_LINES)).toEqual([{ added: 1 }, { added: 9 }, "removed"]);
  });

  it("writes lines one by one again in the next window", () => {
    add(0, ...many(MAX_LINES + 1));
    add(WINDOW_MS, "removed");
    expect(out).toEqual([{ added: MAX_LINES + 1 }, "removed"]);
  });
});

describe("BoundedLines.addEach", () => {
  const add = (nowMs: number, ...kinds: string[]): void => lines.addEach(linesOf(kinds), nowMs);

  it("writes what there is room for, and sums up the others at once, by kind", () => {
    add(0, ...many(MAX_LINES - 1));
    add(1, "removed", ...many(3), "removed");
    expect(out.slice(MAX_LINES - 1)).toEqual(["removed", { added: 3, removed: 1 }]);
    expect(lines.dueMs).toBeNull();
  });

  it("has the whole room again in the next window", () => {
    add(0, ...many(2 * MAX_LINES));
    add(WINDOW_MS, ...many(MAX_LINES));
    expect(out).toEqual([...many(MAX_LINES), { added: MAX_LINES }, ...many(MAX_LINES)]);
  });
});

describe.each(["addTogether", "addEach"] as const)("BoundedLines.%s", (method) => {
  it("loses none of a steady flood, and writes one line more than its limit in a window", () => {
    const windows = 6;
    const perWindow: number[] = [];
    for (let nowMs = 0; nowMs < windows * WINDOW_MS; nowMs += 10) {
      const before = out.length;
      lines[method](linesOf(["added"]), nowMs);
      const window = Math.floor(nowMs / WINDOW_MS);
      perWindow[window] = (perWindow[window] ?? 0) + out.length - before;
    }
    expect(perWindow).toEqual(Array<number>(windows).fill(MAX_LINES + 1));
    lines.flush(Infinity);
    expect(toldOf()).toBe((windows * WINDOW_MS) / 10);
  });
});
