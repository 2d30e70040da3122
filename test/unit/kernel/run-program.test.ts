import { describe, expect, it } from "vitest";
import { failureText, isMissingProgram, runProgram } from "../../../src/kernel/run-program.ts";
import type { ProgramRun } from "../../../src/kernel/run-program.ts";
import { eventually } from "../../support/eventually.ts";
import { childrenOf } from "../../support/process-resources.ts";

const NO_ABORT = new AbortController().signal;
const DEADLINE_MS = 200;
/** For a program that ends at once, on a busy machine. */
const AMPLE_MS = 2_000;

/** Keeps the event loop from turning, as a process does that gets no CPU. */
function block(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

describe("runProgram", () => {
  it("keeps the output of a program that ended in time, however late that is looked at", async () => {
    const program = { program: "echo", packageName: "coreutils", deadlineMs: AMPLE_MS };
    const running = runProgram(program, ["said"], "", NO_ABORT);
    block(AMPLE_MS + DEADLINE_MS);
    expect(await running).toMatchObject({ stdout: "said\n", error: null });
  });

  it("ends a program that takes too long, and says so", async () => {
    const program = { program: "sleep", packageName: "coreutils", deadlineMs: DEADLINE_MS };
    await expect(runProgram(program, ["60"], "", NO_ABORT)).rejects.toThrow(
      "Cannot run sleep 60: no end after 200 ms",
    );
  });

  it("ends a program that writes without end, and says so", async () => {
    const program = { program: "cat", packageName: "coreutils", deadlineMs: 60_000 };
    await expect(runProgram(program, ["/dev/zero"], "", NO_ABORT)).rejects.toThrow(
      "Cannot read the output of cat /dev/zero: more than 67108864 bytes",
    );
  });

  it("has ended the program when it rejects with the reason of its signal", async () => {
    const program = { program: "sleep", packageName: "coreutils", deadlineMs: 60_000 };
    const controller = new AbortController();
    const running = runProgram(program, ["60"], "", controller.signal);
    await eventually(() => childrenOf(process.pid).length > 0);
    controller.abort(new Error("stop"));
    await expect(running).rejects.toThrow("stop");
    expect(childrenOf(process.pid)).toEqual([]);
  });

  it("tells a missing program from one that cannot be run", async () => {
    const missing = { program: "twill-none", packageName: "twill-none", deadlineMs: DEADLINE_MS };
    const err: unknown = await runProgram(missing, [], "", NO_ABORT).catch((reason: unknown) => reason);
    expect(isMissingProgram(err)).toBe(true);
    const run = await runProgram({ ...missing, program: "/dev/null" }, [], "", NO_ABORT);
    expect(run).toMatchObject({ stdout: "", stderr: "" });
    expect(failureText(run)).toBe("spawn /dev/null EACCES");
  });
});

describe("failureText", () => {
  const shell = (text: string): Promise<ProgramRun> =>
    runProgram({ program: "sh", packageName: "dash", deadlineMs: 60_000 }, ["-c", text], "", NO_ABORT);

  it.each([
    ["echo One. >&2; echo Two. >&2; exit 1", "One."],
    ["exit 3", "exit status 3 without a message"],
    ["kill -SEGV $$", "ended by SIGSEGV without a message"],
    ["kill -40 $$", "ended by signal 40 without a message"],
  ])("is, for %j, %j", async (text, wanted) => {
    expect(failureText(await shell(text))).toBe(wanted);
  });
});
