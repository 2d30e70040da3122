import { describe, expect, it } from "vitest";
import { TaskGroup } from "../../../src/process/task-group.ts";

describe("TaskGroup", () => {
  const untilAborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));

  it("stops every task when one fails, and tells the failure", async () => {
    const group = new TaskGroup(new AbortController().signal);
    let isStopped = false;
    group.start((signal) => untilAborted(signal).then(() => void (isStopped = true)));
    group.start(() => Promise.reject(new Error("broken")));
    await expect(group.ended()).rejects.toThrow("broken");
    expect(isStopped).toBe(true);
  });

  it("ends with the outer signal and without an error, whatever tasks do afterwards", async () => {
    const outer = new AbortController();
    const group = new TaskGroup(outer.signal);
    group.start(async (signal) => {
      await untilAborted(signal);
      throw new Error("while stopping");
    });
    outer.abort();
    await expect(group.ended()).resolves.toBeUndefined();
    expect(group.signal.aborted).toBe(true);
  });

  it("ends at once under a signal that is aborted already", async () => {
    await expect(new TaskGroup(AbortSignal.abort()).ended()).resolves.toBeUndefined();
  });

  it("keeps the first failure", async () => {
    const group = new TaskGroup(new AbortController().signal);
    group.fail(new Error("first"));
    group.fail(new Error("second"));
    await expect(group.ended()).rejects.toThrow("first");
  });
});
