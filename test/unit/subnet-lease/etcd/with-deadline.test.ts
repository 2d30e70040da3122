import { describe, expect, it } from "vitest";
import { withDeadline } from "../../../../src/subnet-lease/etcd/with-deadline.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

const late = new Error("late");
const hang = (): Promise<never> => new Promise(() => undefined);

function options(clock: FakeClock, ...signals: AbortSignal[]): Parameters<typeof withDeadline>[0] {
  return { clock, timeoutMs: 1_000, signals, onTimeout: () => late };
}

describe("withDeadline", () => {
  it("gives what the work gives and leaves no timer", async () => {
    const clock = new FakeClock();
    expect(await withDeadline(options(clock), () => Promise.resolve(7))).toBe(7);
    await clock.advance(0);
    expect(clock.sleeping).toBe(0);
  });

  it("rejects when the time is up, and tells the work", async () => {
    const clock = new FakeClock();
    let told: AbortSignal | undefined;
    const result = withDeadline(options(clock), (signal) => {
      told = signal;
      return hang();
    });
    const rejected = expect(result).rejects.toBe(late);
    await clock.advance(999);
    expect(told?.aborted).toBe(false);
    await clock.advance(1);
    await rejected;
    expect(told?.reason).toBe(late);
  });

  it("rejects with the reason of whichever signal is aborted, before or meanwhile", async () => {
    const clock = new FakeClock();
    const reason = new Error("enough");
    await expect(withDeadline(options(clock, AbortSignal.abort(reason)), hang)).rejects.toBe(reason);
    const stop = new AbortController();
    const result = withDeadline(options(clock, new AbortController().signal, stop.signal), hang);
    stop.abort(reason);
    await expect(result).rejects.toBe(reason);
    await clock.advance(0);
    expect(clock.sleeping).toBe(0);
  });

  it("is not disturbed by what the work throws after its end", async () => {
    const clock = new FakeClock();
    const stop = new AbortController();
    let fail: (err: Error) => void = () => undefined;
    const result = withDeadline(
      options(clock, stop.signal),
      () => new Promise((_resolve, reject) => (fail = reject)),
    );
    stop.abort(new Error("enough"));
    await expect(result).rejects.toThrow("enough");
    fail(new Error("too late to matter"));
    await clock.advance(2_000); // an unhandled rejection would fail the run
  });
});
