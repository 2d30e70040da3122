import { once } from "node:events";
import { constants } from "node:os";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { RUN_END } from "../../../src/addon/addon.ts";
import { runToEnd } from "../../../src/addon/program-run.ts";
import type { RunBounds } from "../../../src/addon/program-run.ts";
import { eventually } from "../../support/eventually.ts";
import { childrenOf, countDescriptors, threadIds, threadsSince } from "../../support/process-resources.ts";

const LONG_MS = 60_000;
const { SIGKILL, SIGSEGV } = constants.signals;

const bounds = (changed: Partial<RunBounds> = {}): RunBounds => ({
  deadlineMs: LONG_MS,
  maxOutputBytes: 1024,
  signal: new AbortController().signal,
  ...changed,
});

describe("runToEnd", () => {
  it("resolves with what the program wrote, and its exit status", async () => {
    const text = `read -r line; echo "$line and $1"; echo Grüße >&2; exit 3`;
    expect(await runToEnd(["sh", "-c", text, "sh", "a b"], "in\n", bounds())).toEqual({
      errno: 0,
      end: RUN_END.byItself,
      exitStatus: 3,
      signal: 0,
      stdout: "in and a b\n",
      stderr: "Grüße\n",
    });
  });

  it("gives the signal that ended a program", async () => {
    const result = await runToEnd(["sh", "-c", "kill -SEGV $$"], "", bounds());
    expect(result).toMatchObject({ end: RUN_END.byItself, exitStatus: 0, signal: SIGSEGV });
  });

  it("tells why a program cannot be started", async () => {
    const { ENOENT, EACCES, E2BIG } = constants.errno;
    expect(await runToEnd(["twill-no-such-program"], "", bounds())).toMatchObject({ errno: -ENOENT });
    expect(await runToEnd(["/dev/null"], "", bounds())).toMatchObject({ errno: -EACCES });
    expect(await runToEnd(["true", "x".repeat(2 ** 18)], "", bounds())).toMatchObject({ errno: -E2BIG });
  });

  it("puts replacement characters for bytes that are no UTF-8", async () => {
    expect(await runToEnd(["printf", "a\\377b"], "", bounds())).toMatchObject({ stdout: "a\ufffdb" });
  });

  it("ends a program at each of its bounds", async () => {
    const ended = { signal: SIGKILL };
    const late = await runToEnd(["sleep", "60"], "", bounds({ deadlineMs: 100 }));
    expect(late).toMatchObject({ ...ended, end: RUN_END.tooLong });
    expect(await runToEnd(["yes"], "", bounds())).toMatchObject({ ...ended, end: RUN_END.tooMuch });
    const aborted = bounds({ signal: AbortSignal.abort() });
    expect(await runToEnd(["sleep", "60"], "", aborted)).toMatchObject({ ...ended, end: RUN_END.stopped });
    const controller = new AbortController();
    const running = runToEnd(["sleep", "60"], "", bounds({ signal: controller.signal }));
    await eventually(() => childrenOf(process.pid).length > 0);
    controller.abort();
    expect(await running).toMatchObject({ ...ended, end: RUN_END.stopped });
    expect(childrenOf(process.pid)).toEqual([]);
  });

  it("passes the environment of the process on", async () => {
    process.env.TWILL_TEST_RUN = "of this test";
    const seen = runToEnd(["printenv", "TWILL_TEST_RUN"], "", bounds());
    expect(await seen).toMatchObject({ stdout: "of this test\n" });
    delete process.env.TWILL_TEST_RUN;
    const unseen = runToEnd(["printenv", "TWILL_TEST_RUN"], "", bounds());
    expect(await unseen).toMatchObject({ stdout: "", exitStatus: 1 });
  });

  it("refuses an argument that C would cut off", async () => {
    await expect(runToEnd(["echo", "a\0b"], "", bounds())).rejects.toThrow(
      new TypeError("Cannot run echo: an argument has a NUL"),
    );
  });

  it("runs many programs side by side, and leaves no descriptor, no thread and no process", async () => {
    const { signal } = new AbortController();
    const runOne = (i: number): Promise<unknown> =>
      runToEnd(["cat"], `input ${i}`, bounds({ signal })).then(({ stdout }) => stdout);
    await runOne(0);
    const [descriptors, threads] = [countDescriptors(), threadIds()];
    const wanted = Array.from({ length: 100 }, (_, i) => `input ${i}`);
    expect(await Promise.all(wanted.map((_, i) => runOne(i)))).toEqual(wanted);
    expect(countDescriptors()).toBe(descriptors);
    await eventually(() => expect(threadsSince(threads)).toEqual([]));
    expect(childrenOf(process.pid)).toEqual([]);
  });
});

describe("a thread that ends with its program running", () => {
  it("ends, the program too, and the process lives on", async () => {
    const worker = new Worker(new URL("../../support/running-worker.ts", import.meta.url));
    const [child] = (await once(worker, "message")) as [number];
    expect(childrenOf(process.pid)).toEqual([child]);
    expect(await worker.terminate()).toBe(1);
    expect(childrenOf(process.pid)).toEqual([]);
  });
});
