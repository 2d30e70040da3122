/** What commands do with pods that are there. */
import { DEFAULT_SUBNET_FILE } from "../files/read-subnet-file.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { reasonOf } from "../net/reason-of.ts";
import { ownCniConfig } from "./cni-config.ts";
import type { CniConfig } from "./cni-config.ts";
import type { CniPlugins } from "./cni-plugin.ts";
import { findNetns } from "./find-netns.ts";
import type { PodAttachment } from "./pod-record.ts";
import type { PodStore, StoredPod } from "./pod-store.ts";
import { withPodsLock } from "./pods-lock.ts";
import { removePod } from "./remove-pod.ts";
import type { DetachPlan } from "./remove-pod.ts";

/** A pod that somebody is in the network of, and that has its address. */
export interface RunningPod {
  readonly attachment: PodAttachment;
  /** Path of its namespace, kept as long as this program runs. */
  readonly netnsPath: string;
}

/**
 * The pod of this name, by its first process or by any that is left of it.
 * @throws {OverlayError} `ERR_POD_FAILED` when there is none, or it does not run (yet)
 */
export async function requireRunningPod(name: string, store: PodStore): Promise<RunningPod> {
  const pod = await store.read(name);
  if (pod === null) throw unusable(name, "there is none; twill pod run makes one, twill pod list shows all");
  const { record, recordFile } = pod;
  if (record === null)
    throw unusable(name, `its record ${recordFile} is damaged; twill pod rm ${name} ends what is left of it`);
  const netns = await findNetns(record, await store.markScope(name)).catch((err: unknown) => {
    throw unusable(name, reasonOf(err), err);
  });
  if (netns === null)
    throw unusable(
      name,
      `its command has ended, ${store.logFile(name)} has its output; twill pod run ${name} starts it anew`,
    );
  if (record.attachment === null) {
    netns.close();
    throw unusable(
      name,
      `it has no address yet; wait for its twill pod run, or end it with twill pod rm ${name} when that was killed`,
    );
  }
  // Without a descriptor nsenter says itself that it may not.
  return { attachment: record.attachment, netnsPath: netns.path ?? `/proc/${netns.pid}/ns/net` };
}

function unusable(name: string, why: string, cause?: unknown): OverlayError {
  return new OverlayError("ERR_POD_FAILED", `Cannot use pod ${name}: ${why}`, {}, { cause });
}

/** The argument array that runs `command` in the pod. nsenter becomes the command, so its exit code is the command's. */
export function commandInPod({ netnsPath }: RunningPod, command: readonly string[]): string[] {
  return ["nsenter", `--net=${netnsPath}`, "--", ...command];
}

/** How `pod rm` detaches where its options say something. */
export interface RemovalOptions {
  /** Instead of what the pod was attached with. */
  readonly cniConfig: CniConfig | null;
  readonly plugins: CniPlugins;
}

/** Ends the pod of this name; resolves with false when there was none. @throws {OverlayError} `ERR_POD_FAILED` */
export async function endPod(name: string, store: PodStore, options: RemovalOptions): Promise<boolean> {
  if ((await store.read(name)) === null) return false;
  return await withPodsLock(store.lockFile, async () => {
    const pod = await store.read(name);
    if (pod === null) return false;
    try {
      await removePod(pod.traces, planDetach(pod, options), store);
    } catch (err) {
      const reason = reasonOf(err);
      throw new OverlayError("ERR_POD_FAILED", `Cannot remove pod ${name}: ${reason}`, {}, { cause: err });
    }
    return true;
  });
}

/** As it was attached; where a damaged record does not tell, as pods are that are run without `--cni-config`. */
export function planDetach(
  { traces }: Pick<StoredPod, "traces">,
  { cniConfig, plugins }: RemovalOptions,
): DetachPlan {
  const known = cniConfig ?? traces.cniConfig;
  return { cniConfig: known ?? ownCniConfig(DEFAULT_SUBNET_FILE), isGuess: known === null, plugins };
}
