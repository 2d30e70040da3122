/** The table of pods. */
import { findNetns } from "./find-netns.ts";
import type { PodStore, StoredPod } from "./pod-store.ts";

/** What `pod list` says of a pod. */
export interface PodSight {
  readonly pod: StoredPod;
  /** A process in its network, the first one as long as that runs; null when there is none. */
  readonly pid: number | null | "unknown";
}

/** Looks at every pod. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function seePods(store: PodStore): Promise<PodSight[]> {
  const sights: PodSight[] = [];
  for (const pod of await store.list()) {
    sights.push({ pod, pid: await seePid(pod, await store.markScope(pod.name)) });
  }
  return sights;
}

async function seePid({ traces }: StoredPod, scope: string | null): Promise<PodSight["pid"]> {
  try {
    const netns = await findNetns(traces, scope);
    netns?.close();
    return netns?.pid ?? null;
  } catch {
    return "unknown";
  }
}

/** The pods as a table for people. */
export function formatPods(sights: readonly PodSight[]): string {
  const rows = [["NAME", "ADDRESS", "STATE", "PID", "COMMAND"], ...sights.map(rowOf)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

function rowOf({ pod, pid }: PodSight): string[] {
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

const MAX_COMMAND = 80;
