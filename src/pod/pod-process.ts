/** The process whose network namespace is the pod. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { Duplex } from "node:stream";
import { identifyProcess, isRunning, signalProcess } from "../files/process-identity.ts";
import type { ProcessIdentity } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { failureIn } from "./cni-answer.ts";
import { pollUntil } from "./poll-until.ts";

/** A namespace that waits for its command to be let go. */
export interface WaitingPod {
  readonly identity: ProcessIdentity;
  /** Lets the command start in the place of the process that waits: the pid stays. This program may then end. */
  letGo(): Promise<void>;
}

/**
 * Runs in the new namespace: says on descriptor 3 that it is there and that there is such a command, waits for a line,
 * and becomes the command. When we are gone before, its input ends, and the namespace with it.
 */
const WAIT = `command -v -- "$1" >/dev/null || { echo "there is no program $1" >&2; exit 127; }
echo >&3; exec 3>&-; read -r _ && exec "$@" </dev/null`;

const TERM_TIMEOUT_MS = 5_000;
/** A killed process is gone long before, unless the kernel holds it. */
const KILL_TIMEOUT_MS = 5_000;

/** Makes a network namespace that waits for `command`. What that prints goes to `logFile`. @throws {OverlayError} `ERR_POD_FAILED` */
export async function startWaitingPod(command: readonly string[], logFile: string): Promise<WaitingPod> {
  const log = openSync(logFile, "w", 0o600);
  const child = spawn("unshare", ["--net", "--", "sh", "-c", WAIT, "twill-pod", ...command], {
    stdio: ["pipe", log, log, "pipe"],
    detached: true, // no terminal's Ctrl-C reaches it
  });
  closeSync(log);
  child.stdin?.on("error", () => undefined); // gone: the identity tells
  const isReady = await saysReady(child);
  const identity = child.pid === undefined || !isReady ? null : identifyProcess(child.pid);
  if (identity === null) throw startFailed(logFile);
  return {
    identity,
    letGo: async () => {
      await new Promise<void>((resolve) => child.stdin?.end("\n", resolve));
      child.unref();
    },
  };
}

async function saysReady(child: ChildProcess): Promise<boolean> {
  const pipe = child.stdio[3] as Duplex;
  return await new Promise<boolean>((resolve) => {
    pipe.once("data", () => resolve(true));
    pipe.once("close", () => resolve(false));
    child.once("error", () => resolve(false)); // no unshare
  });
}

function startFailed(logFile: string): OverlayError {
  const said = failureIn("", readFileSync(logFile, "utf8")) ?? "unshare (util-linux) does not run";
  const advice = said.includes("not permitted") ? "; a network namespace needs CAP_SYS_ADMIN" : "";
  return new OverlayError("ERR_POD_FAILED", `${said}${advice}`);
}

/** Path of the namespace, as long as the process runs. */
export function netnsPathOf({ pid }: ProcessIdentity): string {
  return `/proc/${pid}/ns/net`;
}

/**
 * Ends the pod's process and those it started, with SIGTERM and, when they take longer, SIGKILL. One that is gone is no
 * error. @throws {OverlayError} `ERR_POD_FAILED` when even that does not end it
 */
export async function endPodProcess(identity: ProcessIdentity): Promise<void> {
  signalGroup(identity, "SIGTERM");
  signalProcess(identity, "SIGCONT"); // a stopped one could not end
  if (await isGoneWithin(identity, TERM_TIMEOUT_MS)) return;
  signalGroup(identity, "SIGKILL");
  if (await isGoneWithin(identity, KILL_TIMEOUT_MS)) return;
  throw new OverlayError("ERR_POD_FAILED", `process ${identity.pid} does not end, the kernel holds it`);
}

/** It leads a group of its own, which has its pid. */
function signalGroup(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(-identity.pid, signal);
  } catch {
    signalProcess(identity, signal); // no longer the leader of a group
  }
}

async function isGoneWithin(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  return (await pollUntil(() => (isRunning(identity) ? null : true), timeoutMs)) !== null;
}
