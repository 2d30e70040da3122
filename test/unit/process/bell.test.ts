import { describe, expect, it } from "vitest";
import { Bell } from "../../../src/process/bell.ts";
import { FakeClock } from "../../support/fake-clock.ts";

describe("Bell", () => {
  it("ends a wait at the ring, and the next one when it rang in between", async () => {
    const clock = new FakeClock();
    const bell = new Bell();
    const { signal } = new AbortController();
    const waiting = bell.wait(1000, clock, signal);
    bell.ring();
    await waiting;
    bell.ring();
    await bell.wait(1000, clock, signal);
    expect(clock.nowMs()).toBe(0);
    expect(clock.sleeping).toBe(0);
  });

  it("ends by itself when the time is over", async () => {
    const clock = new FakeClock();
    let isOver = false;
    const waiting = new Bell().wait(1000, clock, new AbortController().signal).then(() => (isOver = true));
    await clock.advance(999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await waiting;
    expect(isOver).toBe(true);
  });

  it("rejects when the signal is aborted, before or while waiting, and leaves no sleep", async () => {
    const clock = new FakeClock();
    const stop = new AbortController();
    const waiting = new Bell().wait(1000, clock, stop.signal);
    stop.abort(new Error("stopped"));
    await expect(waiting).rejects.toThrow("stopped");
    await expect(new Bell().wait(1000, clock, stop.signal)).rejects.toThrow("stopped");
    expect(clock.sleeping).toBe(0);
  });
});
