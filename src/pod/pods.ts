/** What commands do with pods that are there. */
import { isRunning } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { netnsPathOf } from "./pod-process.ts";
import type { PodAttachment, PodRecord } from "./pod-record.ts";
import type { PodStore } from "./pod-store.ts";
import { withPodsLock } from "./pods-lock.ts";
import { removePod } from "./remove-pod.ts";

/** A pod that runs and has its address. */
export type RunningPod = PodRecord & { readonly attachment: PodAttachment };

/** The pod of this name. @throws {OverlayError} `ERR_POD_FAILED` when there is none, or it does not run (yet) */
export async function requireRunningPod(name: string, store: PodStore): Promise<RunningPod> {
  const record = await store.read(name);
  if (record === null)
    throw notThere(name, "there is none; twill pod run makes one, twill pod list shows all");
  const { attachment } = record;
  if (!isRunning(record.process))
    throw notThere(name, `its command has ended, ${store.logFile(name)} has its output`);
  if (attachment === null) throw notThere(name, "it has no address yet");
  return { ...record, attachment };
}

function notThere(name: string, why: string): OverlayError {
  return new OverlayError("ERR_POD_FAILED", `Cannot use pod ${name}: ${why}`);
}

/** The argument array that runs `command` in the pod. nsenter becomes the command, so its exit code is the command's. */
export function commandInPod(pod: PodRecord, command: readonly string[]): string[] {
  return ["nsenter", `--net=${netnsPathOf(pod.process)}`, "--", ...command];
}

/** Ends the pod of this name; resolves with false when there was none. @throws {OverlayError} `ERR_POD_FAILED` */
export async function endPod(name: string, store: PodStore, pluginPath: readonly string[]): Promise<boolean> {
  if ((await store.read(name)) === null) return false;
  return await withPodsLock(store.lockFile, async () => {
    const record = await store.read(name);
    if (record === null) return false;
    try {
      await removePod(record, store, pluginPath);
    } catch (err) {
      const reason = err instanceof Error ? err.message : String(err);
      throw new OverlayError("ERR_POD_FAILED", `Cannot remove pod ${name}: ${reason}`, {}, { cause: err });
    }
    return true;
  });
}

/** The pods as a table for people. */
export function formatPods(pods: readonly PodRecord[], isUp: (pod: PodRecord) => boolean): string {
  const rows = [
    ["NAME", "ADDRESS", "STATE", "PID", "COMMAND"],
    ...pods.map((pod) => [
      pod.name,
      pod.attachment?.address ?? "-",
      isUp(pod) ? "running" : "ended",
      `${pod.process.pid}`,
      showCommand(pod.command),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

/** A command is anybody's words: one line, and nothing that drives a terminal. */
function showCommand(command: readonly string[]): string {
  return command
    .map((word) => word.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?"))
    .join(" ")
    .slice(0, MAX_COMMAND);
}

const MAX_COMMAND = 80;
