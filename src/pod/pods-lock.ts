/** One command at a time makes or removes pods: plugins share a bridge and a pool of addresses. */
import { spawn } from "node:child_process";
import { OverlayError } from "../net/overlay-error.ts";
import { collectOutput } from "./collect-output.ts";

/** Making a pod takes a fraction of a second, ending one that does not want to a few. */
const WAIT_SECONDS = 30;
const EXIT_CONFLICT = 75;
/** Tells that the lock is held, and goes on until its input ends: with us, however we end. */
const HOLD = "echo; cat";

/**
 * Runs `work` while `lockFile` is locked. The lock is flock(1)'s: the kernel frees it when its holder is gone.
 * @throws {OverlayError} `ERR_POD_FAILED` when it cannot be had
 */
export async function withPodsLock<T>(lockFile: string, work: () => Promise<T>): Promise<T> {
  const limits = ["--timeout", `${WAIT_SECONDS}`, "--conflict-exit-code", `${EXIT_CONFLICT}`];
  const holder = spawn("flock", [...limits, lockFile, "sh", "-c", HOLD], { stdio: ["pipe", "pipe", "pipe"] });
  const said = collectOutput(holder.stderr);
  const gone = new Promise<number | string>((resolve) => {
    holder.once("error", (err) => resolve(err.message));
    holder.once("close", (code) => resolve(code ?? "killed"));
  });
  holder.stdin.on("error", () => undefined); // gone: nothing is left to free
  const isHeld = await Promise.race([
    new Promise<true>((resolve) => holder.stdout.once("data", () => resolve(true))),
    gone.then(() => false as const),
  ]);
  if (!isHeld) throw lockFailed(lockFile, await gone, said());
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await gone;
  }
}

function lockFailed(lockFile: string, end: number | string, said: string): OverlayError {
  const reason =
    end === EXIT_CONFLICT
      ? `another twill pod holds it for more than ${WAIT_SECONDS} s`
      : said.trim() || `flock ended: ${end}; it is part of the Debian package util-linux`;
  return new OverlayError("ERR_POD_FAILED", `Cannot lock ${lockFile}: ${reason}`);
}
