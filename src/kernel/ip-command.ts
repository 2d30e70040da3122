/** The programs of iproute2 (`ip`, `bridge`): our way to links, addresses, routes and the like. Never through a shell. */
import { basename } from "node:path";
import { OverlayError } from "../net/overlay-error.ts";
import { firstFailure, formatBatch } from "./ip-batch.ts";
import type { BatchCommand } from "./ip-batch.ts";
import { failureText, runProgram } from "./run-program.ts";
import type { Program, ProgramRun } from "./run-program.ts";

/** 10,000 commands of a batch take the kernel well under a second. */
const IP_DEADLINE_MS = 5_000;
/** What iproute2 says when the device that it was told of is not there. */
const NO_DEVICE = /^(?:Device "(.+)" does not exist|Cannot find device "(.+)")/;
/** `ip` writes most control characters of an alias as they are, which JSON forbids in text; elsewhere they are blanks. */
const CONTROL_CHARACTERS = /\p{Cc}/gu;

/** Reads and changes the network configuration of this process's network namespace. */
export interface IpCommand {
  /**
   * Runs `ip -j` with these arguments; resolves with the parsed JSON.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the kernel's text; {@link isMissingDevice} knows the one case
   */
  read(args: readonly string[], signal: AbortSignal): Promise<unknown>;
  /**
   * Runs reading commands in order in one process; resolves with the parsed JSON of each that succeeded. Which ones did
   * not has to show in the others. None: runs nothing.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` when it is not the kernel that refused
   */
  readBatch(commands: readonly BatchCommand[], signal: AbortSignal): Promise<unknown[]>;
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
  const name = basename(options.program);
  return {
    async read(args, signal) {
      const run = await runProgram(program, ["-j", ...args], "", signal);
      const shown = `${name} -j ${args.join(" ")}`;
      if (run.error !== null) throw readFailure(shown, run);
      return run.stdout.trim() === "" ? [] : parseOutput(shown, run.stdout);
    },
    async readBatch(commands, signal) {
      if (commands.length === 0) return [];
      const run = await runProgram(program, ["-j", "-force", "-batch", "-"], formatBatch(commands), signal);
      const shown = `${name} -j -batch`;
      if (run.error !== null && firstFailure(commands, run.stderr) === null) throw readFailure(shown, run);
      // A document is one line: newlines in its texts are escaped.
      const documents = run.stdout.split("\n").filter((line) => line.trim() !== "");
      return documents.map((document) => parseOutput(shown, document));
    },
    async apply(commands, signal) {
      if (commands.length === 0) return;
      const run = await runProgram(program, ["-force", "-batch", "-"], formatBatch(commands), signal);
      if (run.error !== null) throw batchFailure(name, commands, run);
    },
  };
}

/** True when `err` is that of a `read` that failed because there is no device of this name. */
export function isMissingDevice(err: unknown, deviceName: string): boolean {
  return err instanceof OverlayError && err.fields.missingDevice === deviceName;
}

function parseOutput(shown: string, stdout: string): unknown {
  try {
    return JSON.parse(stdout.replace(CONTROL_CHARACTERS, " ")) as unknown;
  } catch (cause) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot read the output of ${shown}: it is not JSON, install iproute2 4.18 or newer`,
      {},
      { cause },
    );
  }
}

function readFailure(shown: string, run: ProgramRun): OverlayError {
  const text = failureText(run);
  const [, one, other] = NO_DEVICE.exec(text) ?? [];
  const missingDevice = one ?? other;
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot read the network configuration: ${shown}: ${text}`,
    missingDevice === undefined ? {} : { missingDevice },
  );
}

function batchFailure(name: string, commands: readonly BatchCommand[], run: ProgramRun): OverlayError {
  const failure = firstFailure(commands, run.stderr);
  const place = failure === null ? `${name} -batch` : `${name} ${failure.command.join(" ")}`;
  const others = failure === null || failure.others === 0 ? "" : ` (and ${failure.others} more failed)`;
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot change the network configuration: ${place}: ${failure?.text ?? failureText(run)}${others}`,
  );
}
