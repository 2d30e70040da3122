import { spawn } from "node:child_process";
import { OverlayError } from "../net/overlay-error.ts";
import type { ErrorCode } from "../net/overlay-error.ts";
import { signalExitStatus } from "./signal-exit.ts";

const EXIT_FAILURE = 1;

/**
 * Runs a program with our own input, output and environment; resolves with its exit code, or 128 + n when signal n
 * ended it. @throws {OverlayError} `code` when it cannot be started
 */
export async function runInForeground(argv: readonly string[], code: ErrorCode): Promise<number> {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, { stdio: "inherit" });
  // Ctrl-C is the command's: it reaches the whole foreground group, and we must outlive it for its exit code.
  const ignore = (): void => undefined;
  // Sent to us alone, by who does not know that there is a command.
  const passOn = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on("SIGINT", ignore).on("SIGTERM", passOn);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (err) =>
        reject(new OverlayError(code, `Cannot run ${program}: ${err.message}`, {}, { cause: err })),
      );
      child.once("exit", (status, signal) => {
        resolve(status ?? (signal === null ? EXIT_FAILURE : signalExitStatus(signal)));
      });
    });
  } finally {
    process.off("SIGINT", ignore).off("SIGTERM", passOn);
  }
}
