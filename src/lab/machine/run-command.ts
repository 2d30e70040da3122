/** Programs, run with an argument array and a fixed environment; never a shell. */
import { spawn } from "node:child_process";
import type { ChildProcess, StdioOptions } from "node:child_process";
import { OverlayError } from "../../net/overlay-error.ts";

/** What a program that ended has left. `code` is null when a signal ended it. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How to run a program that ends by itself. */
export interface RunOptions {
  /** Written to its standard input, which is then closed. */
  readonly stdin?: string;
  /** Added to the lab's fixed environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The program is killed when it runs longer. Default {@link DEFAULT_RUN_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
  /** Kills the program when aborted; the call then fails with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told each piece of its standard output as it comes; true ends the program with SIGINT, for it has said enough. */
  readonly hasSaidEnough?: (piece: string) => boolean;
}

/** Nothing a lab runs to the end takes near as long, even on a busy machine. */
export const DEFAULT_RUN_TIMEOUT_MS = 30_000;
/** Output kept of each stream, in UTF-16 units: far beyond any table we read; the rest is dropped. */
const MAX_OUTPUT = 16 * 2 ** 20;
/** Part of a failed program's words that its error repeats, in UTF-16 units. */
const MAX_SHOWN = 500;

/** Directories in which a lab looks for programs, root's included. */
export const PROGRAM_DIRECTORIES = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

/**
 * Environment of every program a lab starts: not the caller's, where a FLANNELD_ or ETCDCTL_ variable
 * would change what is tested, and with output in no one's language but the parsers'.
 */
const LAB_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: PROGRAM_DIRECTORIES.join(":"),
  LC_ALL: "C.UTF-8",
  HOME: "/",
  ETCDCTL_API: "3",
};

/** Runs a program to its end, whatever its exit code. @throws {OverlayError} `ERR_LAB_FAILED` when it cannot be run or is too slow */
export async function runCommand(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  const child = startProgram(argv, {
    stdio: ["pipe", "pipe", "pipe"],
    ...(options.env && { env: options.env }),
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.stdout?.on("data", (piece: string) => {
    if (options.hasSaidEnough?.(piece) === true) child.kill("SIGINT");
  });
  child.stdin?.on("error", () => undefined); // it may end without reading all: its exit code tells
  child.stdin?.end(options.stdin ?? "");
  const timeoutMs = options.timeoutMs ?? DEFAULT_RUN_TIMEOUT_MS;
  const deadline = AbortSignal.timeout(timeoutMs);
  const stop = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
  const kill = (): void => void child.kill("SIGKILL");
  stop.addEventListener("abort", kill, { once: true });
  try {
    const end = await ended(child, argv);
    options.signal?.throwIfAborted();
    if (deadline.aborted && end.signal === "SIGKILL") {
      throw new OverlayError("ERR_LAB_FAILED", `Cannot run ${argv.join(" ")}: no end after ${timeoutMs} ms`);
    }
    return { stdout: stdout(), stderr: stderr(), ...end };
  } finally {
    stop.removeEventListener("abort", kill);
  }
}

/** Runs a program that must succeed; resolves with its standard output. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function runChecked(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await runCommand(argv, options);
  if (result.code === 0) return result.stdout;
  throw commandFailed(argv, result);
}

/** The error for a program that should have succeeded: its command line, exit code and words. */
export function commandFailed(argv: readonly string[], result: CommandResult): OverlayError {
  const words = (result.stderr.trim() || result.stdout.trim()).slice(-MAX_SHOWN);
  const how = result.code === null ? `killed by ${result.signal ?? "a signal"}` : `exit code ${result.code}`;
  return new OverlayError("ERR_LAB_FAILED", `Cannot run ${argv.join(" ")}: ${how}${words && `: ${words}`}`);
}

/** How to start a program that goes on by itself. */
export interface StartOptions {
  readonly stdio: StdioOptions;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Starts a program without waiting for it, in a session of its own: a terminal's Ctrl-C reaches us alone, and we
 * decide what ends. A program that is not there shows as an `error` event.
 */
export function startProgram(argv: readonly string[], options: StartOptions): ChildProcess {
  const [program, ...args] = argv;
  if (program === undefined) throw new RangeError("Cannot start a program: the argument array is empty");
  return spawn(program, args, {
    stdio: options.stdio,
    env: { ...LAB_ENVIRONMENT, ...options.env },
    detached: true,
  });
}

async function ended(
  child: ChildProcess,
  argv: readonly string[],
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return await new Promise((resolve, reject) => {
    child.once("error", (err) =>
      reject(
        new OverlayError("ERR_LAB_FAILED", `Cannot run ${argv[0] ?? ""}: ${err.message}`, {}, { cause: err }),
      ),
    );
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  let text = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (piece: string) => {
    if (text.length < MAX_OUTPUT) text += piece;
  });
  return () => text;
}
