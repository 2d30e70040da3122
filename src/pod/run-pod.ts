/** Making a pod: a namespace, its attachment, its command; all of it written down before it could be lost. */
import { findPlugin } from "../cni/call/find-plugin.ts";
import { isRunning } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { reasonOf } from "../net/reason-of.ts";
import { escapeUntrusted } from "../net/untrusted-text.ts";
import { addressIn } from "./cni-answer.ts";
import type { CniConfig } from "./cni-config.ts";
import { addToNetwork } from "./cni-plugin.ts";
import type { CniPlugins } from "./cni-plugin.ts";
import { findNetns } from "./find-netns.ts";
import { findProgram } from "./find-program.ts";
import { markHostEnds } from "./host-ends.ts";
import { newMark } from "./netns-mark.ts";
import { startWaitingPod } from "./pod-process.ts";
import type { WaitingPod } from "./pod-process.ts";
import type { PodRecord } from "./pod-record.ts";
import type { PodStore } from "./pod-store.ts";
import { withPodsLock } from "./pods-lock.ts";
import { removePod } from "./remove-pod.ts";

/** What pod to make. */
export interface PodPlan {
  readonly name: string;
  readonly command: readonly string[];
  /** Directories that the command's program is looked for in, separated by colons. */
  readonly searchPath: string;
  readonly cniConfig: CniConfig;
  readonly plugins: CniPlugins;
}

/**
 * Makes a pod; resolves with its address when its command may start. What a pod of this name left that is gone, with
 * its container for instance, is removed before.
 * @throws {OverlayError} `ERR_POD_FAILED`, with nothing left but what the message says; also when the pod runs already
 */
export async function runPod(plan: PodPlan, store: PodStore): Promise<string> {
  await store.prepare();
  return await withPodsLock(store.lockFile, async () => {
    try {
      await clearName(plan, store);
      return await startAndAttach(plan, await startPod(plan, store), store);
    } catch (err) {
      throw new OverlayError(
        "ERR_POD_FAILED",
        `Cannot run pod ${plan.name}: ${reasonOf(err)}`,
        {},
        { cause: err },
      );
    }
  });
}

async function clearName({ name, plugins }: PodPlan, store: PodStore): Promise<void> {
  const earlier = await store.read(name);
  if (earlier === null) return;
  const { record, recordFile } = earlier;
  if (record === null)
    throw failed(
      `the record of an earlier one, ${recordFile}, is damaged; twill pod rm ${name} ends that one`,
    );
  const netns = await findNetns(record, await store.markScope(name));
  netns?.close();
  const pid = netns?.pid ?? (isRunning(record.process) ? record.process.pid : null); // it may have gone elsewhere
  if (pid !== null) throw failed(`it runs already, pid ${pid}; twill pod rm ${name} ends it`);
  const detach = { cniConfig: record.cniConfig, isGuess: false, plugins };
  await removePod(record, detach, store).catch((err: unknown) => {
    const advice = `twill pod rm ${name} tries again, with another configuration when given --cni-config`;
    throw failed(`what an earlier one left cannot be removed: ${reasonOf(err)}; ${advice}`);
  });
}

async function startPod({ name, command, searchPath }: PodPlan, store: PodStore): Promise<WaitingPod> {
  requireProgram(command[0] ?? "", searchPath);
  await store.prepareFor(name);
  try {
    const scope = await store.markScope(name);
    if (scope === null) throw failed(`somebody removed ${store.directory}/${name}`);
    return await startWaitingPod(command, newMark(scope), store.logFile(name));
  } catch (err) {
    await store.remove(name);
    throw err;
  }
}

async function startAndAttach(plan: PodPlan, pod: WaitingPod, store: PodStore): Promise<string> {
  const { name, command, cniConfig, plugins } = plan;
  let record: PodRecord = {
    name,
    process: pod.identity,
    netns: pod.netns,
    command,
    cniConfig,
    attachment: null,
  };
  try {
    await store.write(record); // from here on another command finds it, whatever becomes of us
    const containerId = await store.containerId(name);
    const target = { containerId, netnsPath: pod.netnsPath, plugins };
    const result = await addToNetwork(cniConfig, target);
    const address = addressIn(result);
    if (address === null) throw failed(`the CNI plugin ${cniConfig.type} gave it no IPv4 address`);
    const attachment = { address, result };
    record = { ...record, attachment };
    await markHostEnds(attachment, pod.netns.mark);
    await store.write(record);
    await pod.letGo();
    return address;
  } catch (err) {
    const left = await undo(record, plan, store);
    throw left === null ? err : failed(`${reasonOf(err)}; ${left}`);
  }
}

/**
 * Removes what could not be made; resolves with what is left of it, or null. The record stays when the plugin cannot
 * detach the pod: an ADD that failed may have given it an address all the same.
 */
async function undo(record: PodRecord, plan: PodPlan, store: PodStore): Promise<string | null> {
  const { cniConfig, plugins } = plan;
  try {
    await removePod(record, { cniConfig, isGuess: false, plugins }, store);
    return null;
  } catch (err) {
    const hasPlugin = findPlugin(cniConfig.type, plugins.path) !== null;
    if (hasPlugin) return `twill pod rm ${record.name} has to remove what is left, as now ${reasonOf(err)}`;
    await store.remove(record.name); // nothing was called
    return null;
  }
}

/** Before a shell could take a word of its own for a program. */
function requireProgram(program: string, searchPath: string): void {
  if (findProgram(program, searchPath) === null)
    throw failed(`there is no program ${escapeUntrusted(program)}`);
}

function failed(reason: string): OverlayError {
  return new OverlayError("ERR_POD_FAILED", reason);
}
