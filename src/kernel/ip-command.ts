/** The `ip` program of iproute2: our way to links, addresses and routes. Never through a shell. */
import { OverlayError } from "../net/overlay-error.ts";
import { firstFailure, formatBatch } from "./ip-batch.ts";
import type { BatchCommand } from "./ip-batch.ts";
import { failureText, runProgram } from "./run-program.ts";
import type { Program, ProgramRun } from "./run-program.ts";

/** 10,000 commands of a batch take the kernel well under a second. */
const IP_DEADLINE_MS = 5_000;

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
export type IpCommandOptions = Pick<Program, "program" | "deadlineMs">;

/** The `ip` found in PATH. */
export function createIpCommand(
  options: IpCommandOptions = { program: "ip", deadlineMs: IP_DEADLINE_MS },
): IpCommand {
  const program = { ...options, packageName: "iproute2" };
  return {
    async read(args, signal) {
      const run = await runProgram(program, ["-j", ...args], "", signal);
      if (run.error !== null) throw readFailure(args, run);
      return parseOutput(args, run.stdout);
    },
    async apply(commands, signal) {
      if (commands.length === 0) return;
      const run = await runProgram(program, ["-force", "-batch", "-"], formatBatch(commands), signal);
      if (run.error !== null) throw batchFailure(commands, run);
    },
  };
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

function readFailure(args: readonly string[], run: ProgramRun): OverlayError {
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot read the network configuration: ip -j ${args.join(" ")}: ${failureText(run)}`,
  );
}

function batchFailure(commands: readonly BatchCommand[], run: ProgramRun): OverlayError {
  const failure = firstFailure(commands, run.stderr);
  const place = failure === null ? "ip -batch" : `ip ${failure.command.join(" ")}`;
  const others = failure === null || failure.others === 0 ? "" : ` (and ${failure.others} more failed)`;
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot change the network configuration: ${place}: ${failure?.text ?? failureText(run)}${others}`,
  );
}
