/** Runs a program that changes or reads the kernel's network configuration. Never through a shell. */
import { execFile } from "node:child_process";
import type { ExecFileException } from "node:child_process";
import { OverlayError } from "../net/overlay-error.ts";

/** Most output taken from one run: 10,000 routes are about 1 MiB of JSON. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** A program of this host. */
export interface Program {
  /** Found in PATH. */
  readonly program: string;
  /** Debian package that has it, for the message when it is missing. */
  readonly packageName: string;
  /** Longest time one run may take: it talks to the kernel alone, so more than this means a stuck host. */
  readonly deadlineMs: number;
}

/** What a run came to. */
export interface ProgramRun {
  readonly stdout: string;
  readonly stderr: string;
  /** Null when the exit status was 0. */
  readonly error: ExecFileException | null;
}

/**
 * Runs to the end and never leaves the process behind.
 * @param input what the program reads from its standard input
 * @throws {OverlayError} `ERR_KERNEL_FAILED` when there is no such program or it does not end in time; the signal's
 *   reason when it is aborted
 */
export async function runProgram(
  { program, packageName, deadlineMs }: Program,
  args: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<ProgramRun> {
  signal.throwIfAborted();
  const options = { signal, killSignal: "SIGKILL", maxBuffer: MAX_OUTPUT_BYTES } as const;
  const run = await new Promise<ProgramRun>((resolve) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      clearTimeout(deadline);
      resolve({ stdout, stderr, error });
    });
    // Not execFile's `timeout`: that throws the output away, also of a program that ended well while we were too busy
    // to look, and then there is no error.
    const deadline = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
    child.stdin?.on("error", () => undefined); // it ended before it read all: its exit status tells why
    child.stdin?.end(input);
  });
  signal.throwIfAborted();
  if (run.error?.code === "ENOENT") {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot run ${program}: not found in PATH, install ${packageName}`,
      {},
      { cause: run.error },
    );
  }
  if (run.error?.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot read the output of ${program} ${args.join(" ")}: more than ${MAX_OUTPUT_BYTES} bytes`,
    );
  }
  if (run.error?.killed === true) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot run ${program} ${args.join(" ")}: no end after ${deadlineMs} ms`,
    );
  }
  return run;
}

/** True for what {@link runProgram} throws when there is no such program. */
export function isMissingProgram(err: unknown): boolean {
  return err instanceof OverlayError && (err.cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
}

/** The first line of what the program said about its failure. */
export function failureText({ stderr, error }: ProgramRun): string {
  const said = stderr.trim().split("\n")[0] ?? "";
  return said === "" ? (error?.message ?? "failed without a message") : said;
}
