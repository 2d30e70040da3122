/** The `ip` program of iproute2: our way to links, addresses and routes. Never through a shell. */
import { execFile } from "node:child_process";
import type { ExecFileException } from "node:child_process";
import { OverlayError } from "../net/overlay-error.ts";
import { firstFailure, formatBatch } from "./ip-batch.ts";
import type { BatchCommand } from "./ip-batch.ts";

/** Longest time one run may take: it talks to the kernel alone, so more than this means a stuck host. */
const IP_DEADLINE_MS = 5_000;
/** Most output taken from one run: 10,000 routes are about 1 MiB of JSON. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Reads and changes the network configuration of this process's network namespace. */
export interface IpCommand {
  /**
   * Runs `ip -j` with these arguments; resolves with the parsed JSON.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the kernel's text
   */
  read(args: readonly string[], signal: AbortSignal): Promise<unknown>;
  /**
   * Runs the commands in order in one process; after one that fails, the others still run. None: does nothing.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` that names the first command that failed
   */
  apply(commands: readonly BatchCommand[], signal: AbortSignal): Promise<void>;
}

/** Which program, and how long it may take; other values are for tests. */
export interface IpCommandOptions {
  readonly program: string;
  readonly deadlineMs: number;
}

/** The `ip` found in PATH. */
export function createIpCommand(
  options: IpCommandOptions = { program: "ip", deadlineMs: IP_DEADLINE_MS },
): IpCommand {
  return {
    async read(args, signal) {
      const run = await runProgram(options, ["-j", ...args], "", signal);
      if (run.error !== null) throw readFailure(args, run);
      return parseOutput(args, run.stdout);
    },
    async apply(commands, signal) {
      if (commands.length === 0) return;
      const run = await runProgram(options, ["-force", "-batch", "-"], formatBatch(commands), signal);
      if (run.error !== null) throw batchFailure(commands, run);
    },
  };
}

interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly error: ExecFileException | null;
}

/**
 * Runs to the end and never leaves the process behind. Rejects with the signal's reason when it is aborted,
 * and with `ERR_KERNEL_FAILED` when there is no such program or it does not end in time.
 */
async function runProgram(
  { program, deadlineMs }: IpCommandOptions,
  args: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<Run> {
  signal.throwIfAborted();
  const options = {
    signal,
    timeout: deadlineMs,
    killSignal: "SIGKILL",
    maxBuffer: MAX_OUTPUT_BYTES,
  } as const;
  const run = await new Promise<Run>((resolve) => {
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ stdout, stderr, error });
    });
    child.stdin?.on("error", () => undefined); // it ended before it read all: its exit status tells why
    child.stdin?.end(input);
  });
  signal.throwIfAborted();
  if (run.error?.code === "ENOENT") {
    throw new OverlayError("ERR_KERNEL_FAILED", `Cannot run ${program}: not found in PATH, install iproute2`);
  }
  if (run.error?.killed === true) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot run ${program} ${args.join(" ")}: no end after ${deadlineMs} ms`,
    );
  }
  return run;
}

function parseOutput(args: readonly string[], stdout: string): unknown {
  try {
    return stdout.trim() === "" ? [] : (JSON.parse(stdout) as unknown);
  } catch (cause) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot read the output of ip -j ${args.join(" ")}: it is not JSON, install iproute2 4.18 or newer`,
      {},
      { cause },
    );
  }
}

function readFailure(args: readonly string[], run: Run): OverlayError {
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot read the network configuration: ip -j ${args.join(" ")}: ${kernelText(run)}`,
  );
}

function batchFailure(commands: readonly BatchCommand[], run: Run): OverlayError {
  const failure = firstFailure(commands, run.stderr);
  const place = failure === null ? "ip -batch" : `ip ${failure.command.join(" ")}`;
  const others = failure === null || failure.others === 0 ? "" : ` (and ${failure.others} more failed)`;
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot change the network configuration: ${place}: ${failure?.text ?? kernelText(run)}${others}`,
  );
}

function kernelText(run: Run): string {
  const said = run.stderr.trim().split("\n")[0] ?? "";
  return said === "" ? (run.error?.message ?? "failed without a message") : said;
}
