/** Making a pod: a namespace, its attachment, its command; all of it written down before it could be lost. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isRunning } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { addressIn } from "./cni-answer.ts";
import type { CniConfig } from "./cni-config.ts";
import { addToNetwork } from "./cni-plugin.ts";
import { containerIdOf } from "./pod-name.ts";
import { netnsPathOf, startWaitingPod } from "./pod-process.ts";
import type { WaitingPod } from "./pod-process.ts";
import type { PodAttachment, PodRecord } from "./pod-record.ts";
import type { PodStore } from "./pod-store.ts";
import { withPodsLock } from "./pods-lock.ts";
import { removePod } from "./remove-pod.ts";

/** What pod to make. */
export interface PodPlan {
  readonly name: string;
  readonly command: readonly string[];
  readonly cniConfig: CniConfig;
  /** Directories that CNI plugins are looked for in. */
  readonly pluginPath: readonly string[];
}

/**
 * Makes a pod; resolves with its address when its command may start. What a pod of this name left that is gone, with
 * its container for instance, is removed before.
 * @throws {OverlayError} `ERR_POD_FAILED`, with nothing left; also when the pod runs already
 */
export async function runPod(plan: PodPlan, store: PodStore): Promise<string> {
  await store.prepare();
  return await withPodsLock(store.lockFile, async () => {
    await clearName(plan, store);
    await store.prepareFor(plan.name);
    const pod = await startWaitingPod(plan.command, store.logFile(plan.name)).catch(async (err: unknown) => {
      await store.remove(plan.name);
      throw cannotRun(plan.name, err);
    });
    return await attachAndLetGo(plan, pod, store);
  });
}

async function clearName({ name, pluginPath }: PodPlan, store: PodStore): Promise<void> {
  const earlier = await store.read(name);
  if (earlier === null) return;
  if (isRunning(earlier.process)) {
    throw new OverlayError(
      "ERR_POD_FAILED",
      `Cannot run pod ${name}: it runs already, pid ${earlier.process.pid}; twill pod rm ${name} ends it`,
    );
  }
  await removePod(earlier, store, pluginPath).catch((err: unknown) => {
    throw cannotRun(name, err);
  });
}

async function attachAndLetGo(plan: PodPlan, pod: WaitingPod, store: PodStore): Promise<string> {
  const { name, command, cniConfig, pluginPath } = plan;
  const started: PodRecord = { name, process: pod.identity, command, cniConfig, attachment: null };
  try {
    await store.write(started); // from here on another command finds it, whatever becomes of us
    const attachment = await attach(plan, pod);
    await store.write({ ...started, attachment });
    await pod.letGo();
    return attachment.address;
  } catch (err) {
    // The first error tells more. What cannot attach often cannot detach, and must not keep the name.
    await removePod(started, store, pluginPath).catch(() => store.remove(name));
    throw cannotRun(name, err);
  }
}

async function attach(plan: PodPlan, pod: WaitingPod): Promise<PodAttachment> {
  const netnsPath = netnsPathOf(pod.identity);
  await promisify(execFile)("nsenter", [`--net=${netnsPath}`, "--", "ip", "link", "set", "lo", "up"]);
  const { cniConfig, pluginPath } = plan;
  const result = await addToNetwork(cniConfig, {
    containerId: containerIdOf(plan.name),
    netnsPath,
    pluginPath,
  });
  const address = addressIn(result);
  if (address !== null) return { address, result };
  throw new OverlayError("ERR_POD_FAILED", `the CNI plugin ${cniConfig.type} gave it no IPv4 address`);
}

function cannotRun(name: string, err: unknown): OverlayError {
  const reason = err instanceof Error ? err.message : String(err);
  return new OverlayError("ERR_POD_FAILED", `Cannot run pod ${name}: ${reason}`, {}, { cause: err });
}
