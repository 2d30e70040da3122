import { describe, expect, it } from "vitest";
import { runProgram } from "../../../src/kernel/run-program.ts";

const NO_ABORT = new AbortController().signal;
const DEADLINE_MS = 200;

/** Keeps the event loop from turning, as a process does that gets no CPU. */
function block(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

describe("runProgram", () => {
  it("keeps the output of a program that ended in time, however late that is looked at", async () => {
    const program = { program: "echo", packageName: "coreutils", deadlineMs: DEADLINE_MS };
    const running = runProgram(program, ["said"], "", NO_ABORT);
    block(2 * DEADLINE_MS);
    expect(await running).toMatchObject({ stdout: "said\n", error: null });
  });

  it("ends a program that takes too long, and says so", async () => {
    const program = { program: "sleep", packageName: "coreutils", deadlineMs: DEADLINE_MS };
    await expect(runProgram(program, ["60"], "", NO_ABORT)).rejects.toThrow(
      "Cannot run sleep 60: no end after 200 ms",
    );
  });
});
