import { closeSync, openSync } from "node:fs";
import { isRunning } from "../files/process-identity.ts";
import { deleteFromNetwork } from "./cni-plugin.ts";
import { containerIdOf } from "./pod-name.ts";
import { endPodProcess, netnsPathOf } from "./pod-process.ts";
import type { PodRecord } from "./pod-record.ts";
import type { PodStore } from "./pod-store.ts";

/**
 * Ends a pod, or what is left of one: its process first, so that it still has its network when it says good-bye, then
 * the attachment, then the record. What is gone already is no error; on rejection the record stays for another try.
 * Whoever calls holds the lock.
 * @throws {OverlayError} `ERR_POD_FAILED`
 */
export async function removePod(
  record: PodRecord,
  store: PodStore,
  pluginPath: readonly string[],
): Promise<void> {
  const netns = openNetns(record);
  try {
    await endPodProcess(record.process);
    await deleteFromNetwork(
      record.cniConfig,
      {
        containerId: containerIdOf(record.name),
        // Through our own descriptor: it keeps the namespace, which the process has left.
        netnsPath: netns === null ? "" : `/proc/${process.pid}/fd/${netns}`,
        pluginPath,
      },
      record.attachment?.result ?? null,
    );
  } finally {
    if (netns !== null) closeSync(netns);
  }
  await store.remove(record.name);
}

/** A descriptor of the pod's namespace, or null when it is gone with its process. */
function openNetns({ process: identity }: PodRecord): number | null {
  if (!isRunning(identity)) return null;
  try {
    return openSync(netnsPathOf(identity), "r");
  } catch {
    return null; // went between the look and the open
  }
}
