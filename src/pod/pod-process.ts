/** The first process of a pod, which its network namespace is made for. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import type { Duplex } from "node:stream";
import { identifyProcess } from "../files/process-identity.ts";
import type { ProcessIdentity } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { failureIn } from "./cni-answer.ts";
import { netnsNumberOf } from "./netns-number.ts";
import type { NetnsIdentity } from "./pod-record.ts";

/** A namespace that waits for its command to be let go. */
export interface WaitingPod {
  readonly identity: ProcessIdentity;
  readonly netns: NetnsIdentity;
  /** Path of the namespace as long as the pod waits. */
  readonly netnsPath: string;
  /** Lets the command start in the place of the process that waits: the pid stays. This program may then end. */
  letGo(): Promise<void>;
}

/**
 * Runs in the new namespace: marks it, says so on descriptor 3, waits for a line, and becomes the command. When we are
 * gone before, its input ends, and the namespace with it.
 */
const WAIT = `ip link set dev lo up alias "$1" || exit 1; shift
echo >&3; exec 3>&-; read -r _ && exec "$@" </dev/null`;

/**
 * Makes a network namespace with this mark that waits for `command`. What that prints goes to `logFile`.
 * @throws {OverlayError} `ERR_POD_FAILED`
 */
export async function startWaitingPod(
  command: readonly string[],
  mark: string,
  logFile: string,
): Promise<WaitingPod> {
  const log = openSync(logFile, "w", 0o600);
  const child = spawn("unshare", ["--net", "--", "sh", "-c", WAIT, "twill-pod", mark, ...command], {
    stdio: ["pipe", log, log, "pipe"],
    detached: true, // no terminal's Ctrl-C reaches it
  });
  closeSync(log);
  child.stdin?.on("error", () => undefined); // gone: the identity tells
  const pid = (await saysReady(child)) ? (child.pid ?? 0) : 0;
  const identity = identifyProcess(pid);
  const number = netnsNumberOf(pid);
  if (identity === null || number === null) throw startFailed(logFile);
  return {
    identity,
    netns: { number, mark },
    netnsPath: `/proc/${pid}/ns/net`,
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
