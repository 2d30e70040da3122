import { OverlayError } from "../net/overlay-error.ts";
import type { CniConfig } from "./cni-config.ts";
import { deleteFromNetwork } from "./cni-plugin.ts";
import type { CniPlugins } from "./cni-plugin.ts";
import { endProcesses } from "./end-processes.ts";
import { findNetns, processesOf } from "./find-netns.ts";
import type { PodNetns } from "./find-netns.ts";
import { cutHostEnds, findHostEnds } from "./host-ends.ts";
import { netnsNumberOf } from "./netns-number.ts";
import { waitForOrphanedPlugins } from "./orphaned-plugins.ts";
import type { PodTraces } from "./pod-record.ts";
import type { PodStore } from "./pod-store.ts";

/** What all others come from, in a container as well. */
const INIT_PID = 1;

/** How a pod is detached. */
export interface DetachPlan {
  readonly cniConfig: CniConfig;
  /** Whether the record does not tell, so that it may be wrong. */
  readonly isGuess: boolean;
  readonly plugins: CniPlugins;
}

/**
 * Ends a pod, or what is left of one: its processes first, so that they still have their network when they say
 * good-bye, then the attachment, then the record. What is gone already is no error; on rejection the record stays for
 * another try. Whoever calls holds the lock.
 *
 * Its address becomes free only when no namespace has it: the plugin takes it from the one we hold, and when nobody we
 * can see is in it any more, the cable is cut, whoever else may hold it.
 * @throws {OverlayError} `ERR_POD_FAILED`
 */
export async function removePod(pod: PodTraces, plan: DetachPlan, store: PodStore): Promise<void> {
  const containerId = await store.containerId(pod.name);
  await waitForOrphanedPlugins(containerId);
  const scope = await store.markScope(pod.name);
  const netns = await findNetns(pod, scope);
  try {
    const refusal = netns && whyNotToEnd(netns.number, netnsNumberOf(process.pid), netnsNumberOf(INIT_PID));
    if (refusal !== null) throw new OverlayError("ERR_POD_FAILED", refusal);
    await endProcesses(() => processesOf(pod, netns));
    const path = netns?.path ?? "";
    if (path === "") await leaveNothing(pod, netns, scope);
    const target = { containerId, netnsPath: path, plugins: plan.plugins };
    await deleteFromNetwork(plan.cniConfig, target, pod.attachment?.result ?? null);
    if (netns !== null && plan.isGuess) await checkDetached(pod, scope);
  } finally {
    netns?.close();
  }
  await store.remove(pod.name);
}

/**
 * Why all that is in the namespace of this number cannot be ended, or null: whatever a record says, it must not be ours,
 * nor that of the process that all others come from.
 * @param own - our number, null when it cannot be told; so `init`
 */
export function whyNotToEnd(number: number, own: number | null, init: number | null): string | null {
  if (number === own) return "this command itself runs in its network; run it on the host";
  if (number === init) return `its first process is in the network of process ${INIT_PID}; end it`;
  return null;
}

/** Without a descriptor the plugin can take the address from no namespace: it must be in none. */
async function leaveNothing(pod: PodTraces, netns: PodNetns | null, scope: string | null): Promise<void> {
  // A process that we may not look at may have started another as it ended; only the mark shows that this one is the pod's.
  const left = netns && (await findNetns({ ...pod, process: null }, scope));
  if (left !== null) {
    left.close();
    throw new OverlayError(
      "ERR_POD_FAILED",
      `process ${left.pid} was started in its network meanwhile; try again`,
    );
  }
  await cutHostEnds(pod.attachment, scope);
}

/** Another plugin than the one that attached it leaves it as it is, and says that all is well. */
async function checkDetached(pod: PodTraces, scope: string | null): Promise<void> {
  const [device] = await findHostEnds(pod.attachment, scope);
  if (device === undefined) return;
  throw new OverlayError(
    "ERR_POD_FAILED",
    `its record is damaged, and twill-cni did not attach it, as ${device} is still there; give --cni-config the file that twill pod run had`,
  );
}
