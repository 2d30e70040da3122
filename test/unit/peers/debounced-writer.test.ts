import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  DebouncedWriter,
  FIRST_PAUSE_MS,
  MAX_PAUSE_PER_WRITE,
  RETRY_MS,
} from "../../../src/peers/debounced-writer.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordLog } from "../../support/log-lines.ts";

let clock: FakeClock;
let written: number[];
let failure: Error | null;
let record: ReturnType<typeof recordLog>;
let writer: DebouncedWriter<number>;
beforeEach(() => {
  clock = new FakeClock();
  written = [];
  failure = null;
  record = recordLog();
  writer = new DebouncedWriter({ write, clock, log: record.log });
});
afterEach(async () => {
  await writer.close();
  expect(clock.sleeping).toBe(0);
});

async function write(state: number): Promise<void> {
  await turn();
  if (failure !== null) throw failure;
  written.push(state);
}

describe("DebouncedWriter", () => {
  it("writes the first state at once", async () => {
    writer.set(1);
    await clock.advance(0);
    expect(written).toEqual([1]);
  });

  it("writes once in each interval, and of the states meanwhile the last", async () => {
    for (let state = 1; state <= 25; state += 1) {
      writer.set(state);
      await clock.advance(FIRST_PAUSE_MS / 10);
    }
    // At the start and after one and two intervals: what was set at that time or just before.
    expect(written).toEqual([1, 10, 20]);
    await clock.advance(FIRST_PAUSE_MS);
    expect(written).toEqual([1, 10, 20, 25]);
  });

  it("doubles the pause while states keep coming, to the limit that follows from the time of a write", async () => {
    const writeMs = FIRST_PAUSE_MS;
    const starts: number[] = [];
    const busy = new DebouncedWriter<number>({
      write: async (state) => {
        starts.push(clock.nowMs());
        await clock.sleep(writeMs, new AbortController().signal);
        busy.set(state + 1); // the next one is there before this one is done
      },
      clock,
      log: record.log,
    });
    busy.set(1);
    await clock.advance(100 * writeMs);
    const pauses = starts.slice(1).map((start, i) => start - (starts[i] ?? 0) - writeMs);
    expect(pauses.slice(0, 7)).toEqual(
      [1, 2, 4, 8, 16, MAX_PAUSE_PER_WRITE, MAX_PAUSE_PER_WRITE].map((times) => times * FIRST_PAUSE_MS),
    );
    await Promise.all([busy.close(), clock.advance(2 * writeMs)]);
  });

  it("writes nothing while nothing is set", async () => {
    writer.set(1);
    await clock.advance(10 * FIRST_PAUSE_MS);
    expect(written).toEqual([1]);
    expect(clock.sleeping).toBe(0);
  });

  it("keeps the last state when a write is under way", async () => {
    writer.set(1);
    writer.set(2);
    writer.set(3);
    await clock.advance(FIRST_PAUSE_MS);
    expect(written).toEqual([1, 3]);
  });

  it("writes what waits when it is closed, and nothing afterwards", async () => {
    writer.set(1);
    await clock.advance(0);
    writer.set(2);
    await writer.close();
    expect(written).toEqual([1, 2]);
    writer.set(3);
    await clock.advance(FIRST_PAUSE_MS);
    expect(written).toEqual([1, 2]);
  });

  it("writes what came during the write that the close waits for", async () => {
    writer.set(1);
    writer.set(2);
    await writer.close();
    expect(written).toEqual([1, 2]);
  });

  it("tries a failed write again, and logs the failure and its end once", async () => {
    failure = new Error("ENOSPC: no space left on device");
    writer.set(1);
    await clock.advance(3 * RETRY_MS);
    expect(written).toEqual([]);
    expect(record.lines).toMatchObject([
      { level: "warn", msg: "Cannot save the state, will retry", err: { message: failure.message } },
    ]);
    failure = null;
    await clock.advance(RETRY_MS);
    expect(written).toEqual([1]);
    expect(record.lines.slice(1)).toMatchObject([{ level: "info", msg: "State saved again" }]);
  });

  it("tries the newer state again, not the one that failed", async () => {
    failure = new Error("EIO");
    writer.set(1);
    await clock.advance(0);
    writer.set(2);
    failure = null;
    await clock.advance(RETRY_MS);
    expect(written).toEqual([2]);
  });

  it("keeps the state that came while an older one failed", async () => {
    failure = new Error("EIO");
    writer.set(1);
    writer.set(2);
    await clock.advance(0);
    failure = null;
    await clock.advance(RETRY_MS);
    expect(written).toEqual([2]);
  });

  it("gives up when the last write at the close fails", async () => {
    failure = new Error("EIO");
    writer.set(1);
    await clock.advance(0);
    await writer.close();
    expect(written).toEqual([]);
    expect(record.lines).toHaveLength(1);
  });
});
