import { beforeEach, describe, expect, it } from "vitest";
import { BoundedLines, LINES_WINDOW_MS, MAX_LINES } from "../../../src/peers/bounded-lines.ts";

let out: (string | Readonly<Record<string, number>>)[];
let lines: BoundedLines;
beforeEach(() => {
  out = [];
  lines = new BoundedLines((counts) => out.push(counts));
});

function add(nowMs: number, ...kinds: string[]): void {
  lines.add(
    kinds.map((kind) => ({ kind, write: () => out.push(kind) })),
    nowMs,
  );
}

function many(count: number): string[] {
  return Array<string>(count).fill("added");
}

describe("BoundedLines", () => {
  it("writes few lines one by one", () => {
    add(0, ...many(MAX_LINES));
    expect(out).toEqual(many(MAX_LINES));
    expect(lines.dueMs).toBeNull();
  });

  it("sums up more than ten at once, by kind", () => {
    add(0, ...many(MAX_LINES), "removed");
    expect(out).toEqual([{ added: MAX_LINES, removed: 1 }]);
    expect(lines.dueMs).toBeNull();
  });

  it("sums up at once what first exceeds the window, and the rest when the window is over", () => {
    for (let i = 0; i < 100; i += 1) add(i, "added");
    expect(out).toEqual([...many(MAX_LINES), { added: 1 }]);
    expect(lines.dueMs).toBe(LINES_WINDOW_MS);
    lines.flush(LINES_WINDOW_MS - 1);
    expect(out).toHaveLength(MAX_LINES + 1);
    lines.flush(LINES_WINDOW_MS);
    expect(out.at(-1)).toEqual({ added: 89 });
    expect(lines.dueMs).toBeNull();
  });

  it("loses none of a steady flood, and makes few lines of it", () => {
    const windows = 6;
    for (let nowMs = 0; nowMs < windows * LINES_WINDOW_MS; nowMs += 10) add(nowMs, "added");
    lines.flush(Infinity);
    const told = out.reduce((sum, line) => sum + (typeof line === "string" ? 1 : (line.added ?? 0)), 0);
    expect(told).toBe((windows * LINES_WINDOW_MS) / 10);
    expect(out.length).toBeLessThanOrEqual(windows * (MAX_LINES + 2));
  });

  it("sums up the window before the next line, if nobody asked before", () => {
    for (let i = 0; i < 20; i += 1) add(i, "added");
    add(LINES_WINDOW_MS, "removed");
    expect(out.slice(MAX_LINES)).toEqual([{ added: 1 }, { added: 9 }, "removed"]);
  });

  it("writes lines one by one again in the next window", () => {
    add(0, ...many(MAX_LINES + 1));
    add(LINES_WINDOW_MS, "removed");
    expect(out).toEqual([{ added: MAX_LINES + 1 }, "removed"]);
  });
});
