/** Runs a program that changes or reads the kernel's network configuration. Never through a shell. */
import { constants } from "node:os";
import { RUN_END, errnoName } from "../addon/addon.ts";
import type { RunResult } from "../addon/addon.ts";
import { runToEnd } from "../addon/program-run.ts";
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
  readonly error: ProgramFailure | null;
}

/** How a run failed, for a program that said nothing about it. */
export interface ProgramFailure {
  readonly message: string;
}

/**
 * Runs to the end and never leaves the process behind.
 * @param input what the program reads from its standard input
 * @throws {OverlayError} `ERR_KERNEL_FAILED` when there is no such program or it does not end in time,
 *   `ERR_ADDON_MISSING`; the signal's reason when it is aborted
 */
export async function runProgram(
  { program, packageName, deadlineMs }: Program,
  args: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<ProgramRun> {
  signal.throwIfAborted();
  const argv = [program, ...args];
  const result = await runToEnd(argv, input, { deadlineMs, maxOutputBytes: MAX_OUTPUT_BYTES, signal });
  signal.throwIfAborted();
  const failure = failureOf(program, result);
  if (failure?.code === "ENOENT") {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot run ${program}: not found in PATH, install ${packageName}`,
      {},
      { cause: failure },
    );
  }
  if (result.end === RUN_END.tooMuch) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot read the output of ${argv.join(" ")}: more than ${MAX_OUTPUT_BYTES} bytes`,
    );
  }
  if (result.end === RUN_END.tooLong) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot run ${argv.join(" ")}: no end after ${deadlineMs} ms`,
    );
  }
  return { stdout: result.stdout, stderr: result.stderr, error: failure };
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

function failureOf(program: string, { errno, exitStatus, signal }: RunResult): NodeJS.ErrnoException | null {
  if (errno < 0) {
    const code = errnoName(errno);
    return Object.assign(new Error(`spawn ${program} ${code}`), { code });
  }
  if (signal !== 0) return new Error(`ended by ${signalName(signal)} without a message`);
  return exitStatus === 0 ? null : new Error(`exit status ${exitStatus} without a message`);
}

function signalName(signal: number): string {
  const named = Object.entries(constants.signals).find(([, number]) => number === signal);
  return named?.[0] ?? `signal ${signal}`;
}
