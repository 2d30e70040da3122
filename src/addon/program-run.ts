/**
 * Runs other programs without stopping the event loop. `node:child_process` forks this process, which takes the loop
 * 50 us for each MiB that it has; here a thread of the addon starts the program, as vfork does, and waits for it.
 *
 * That is a thread of its own for each run, not one of libuv's few: a program that hangs keeps it until the deadline,
 * and neither look-ups of names nor file writes wait for it meanwhile, nor does `process.exit`, which waits for libuv's.
 */
import { loadAddon } from "./addon.ts";
import type { RunHandle, RunResult } from "./addon.ts";
import { watchReadable } from "./readable-watch.ts";

/** The bounds of one run. */
export interface RunBounds {
  readonly deadlineMs: number;
  /** Of each of the two outputs. */
  readonly maxOutputBytes: number;
  /** Ends the program. */
  readonly signal: AbortSignal;
}

/**
 * Runs a program to its end; one that goes beyond its bounds is killed, and waited for. It has the environment of
 * this process and its directory. The thread reads both while it starts the program, so nothing may change them then;
 * what is set in `process.env` counts, another object in its place does not.
 * @param argv the program, found in PATH unless it has a slash, and its arguments
 * @param input what it reads from its standard input
 * @throws {TypeError} when there is a NUL in `argv`
 */
export async function runToEnd(
  argv: readonly string[],
  input: string,
  { deadlineMs, maxOutputBytes, signal }: RunBounds,
): Promise<RunResult> {
  const addon = loadAddon();
  const run = addon.runStart(formatArguments(argv), Buffer.from(input), deadlineMs, maxOutputBytes);
  if (typeof run === "number") return notStarted(run);
  const stop = (): void => void addon.runStop(run);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    await isReadable(addon.runDoneFd(run));
  } catch (err) {
    stop(); // nobody will know of its end; the handle, once collected, waits for that
    throw err;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  return taken(run);
}

function formatArguments(argv: readonly string[]): Buffer {
  if (argv.some((text) => text.includes("\0"))) {
    throw new TypeError(`Cannot run ${argv[0] ?? "a program"}: an argument has a NUL`);
  }
  return Buffer.from(argv.map((text) => `${text}\0`).join(""));
}

function notStarted(errno: number): RunResult {
  return { errno, end: 0, exitStatus: 0, signal: 0, stdout: "", stderr: "" };
}

async function isReadable(fd: number): Promise<void> {
  await new Promise<void>((resolve) => {
    const watch = watchReadable(fd, () => {
      watch.close();
      resolve();
    });
  });
}

function taken(run: RunHandle): RunResult {
  const result = loadAddon().runTake(run);
  return typeof result === "number" ? notStarted(result) : result;
}
