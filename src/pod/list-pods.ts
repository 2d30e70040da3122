/** The table of pods. */
import { findNetns } from "./find-netns.ts";
import type { PodStore, StoredPod } from "./pod-store.ts";

/** Characters: the rest of the line is some 50, and a wide terminal has 130. */
const MAX_COMMAND = 80;

/** What `pod list` says of a pod. */
export interface PodState {
  readonly pod: StoredPod;
  /** A process in its network, the first one as long as that runs; null when there is none. */
  readonly pid: number | null | "unknown";
}

/** Looks at every pod. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function readPodStates(store: PodStore): Promise<PodState[]> {
  const states: PodState[] = [];
  for (const pod of await store.list()) {
    states.push({ pod, pid: await readPid(pod, await store.markScope(pod.name)) });
  }
  return states;
}

async function readPid({ traces }: StoredPod, scope: string | null): Promise<PodState["pid"]> {
  try {
    const netns = await findNetns(traces, scope);
    netns?.close();
    return netns?.pid ?? null;
  } catch {
    return "unknown";
  }
}

/** The pods as a table for people. */
export function formatPods(states: readonly PodState[]): string {
  const rows = [["NAME", "ADDRESS", "STATE", "PID", "COMMAND"], ...states.map(rowOf)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

function rowOf({ pod, pid }: PodState): string[] {
  const { name, record, traces, recordFile } = pod;
  const address = traces.attachment?.address ?? "-";
  const shownPid = typeof pid === "number" ? pid : (record?.process.pid ?? "-");
  const state = pid === null ? "ended" : pid === "unknown" ? "unknown" : "running";
  const command =
    record === null
      ? `(${recordFile} is damaged: twill pod rm ${name} ends what is left of it)`
      : showCommand(record.command);
  return [name, address, record === null ? "damaged" : state, `${shownPid}`, command];
}

/** A command is anybody's words: one line, and nothing that drives a terminal. */
function showCommand(command: readonly string[]): string {
  return command
    .map((word) => word.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?"))
    .join(" ")
    .slice(0, MAX_COMMAND);
}
