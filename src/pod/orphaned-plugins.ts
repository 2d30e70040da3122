import { isRunning, processesThatMayHaveVariable } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { PLUGIN_DEADLINE_MS } from "./cni-plugin.ts";
import { pollUntil } from "./poll-until.ts";

/**
 * What variables a process has cannot be told while it becomes another program: 100 ms where it loses its CPU. One that hides
 * them for longer does so by prctl(2), as anybody's process may, and is no plugin.
 */
const MAX_EXEC_MS = 2_000;

/**
 * Waits until no CNI plugin works for this container any more. One does when the command that started it was killed: it
 * goes on, without the lock, and its ADD would give an address to a pod that was just removed, its DEL would free the
 * address of the next one. Whoever calls holds the lock, so none can start.
 * @throws {OverlayError} `ERR_POD_FAILED`
 */
export async function waitForOrphanedPlugins(
  containerId: string,
  timeoutMs = PLUGIN_DEADLINE_MS,
): Promise<void> {
  const look = pluginFinder(`CNI_CONTAINERID=${containerId}`);
  if ((await pollUntil(() => (look().length === 0 ? true : null), timeoutMs)) !== null) return;
  const [pid] = look();
  if (pid === undefined) return;
  throw new OverlayError(
    "ERR_POD_FAILED",
    `process ${pid}, a CNI plugin that a killed command started, still works for it after ${timeoutMs / 1000} s; end it and try again`,
  );
}

/** Gives at each look the pids of those that have the variable, or may have it and have not hidden it for too long. */
function pluginFinder(variable: string): () => number[] {
  let hiddenSinceMs = new Map<number, number>();
  return () => {
    const nowMs = performance.now();
    const before = hiddenSinceMs;
    hiddenSinceMs = new Map();
    const pids: number[] = [];
    for (const { process, isCertain } of processesThatMayHaveVariable(variable)) {
      if (!isRunning(process)) continue;
      const { pid } = process;
      const sinceMs = before.get(pid) ?? nowMs;
      if (!isCertain) hiddenSinceMs.set(pid, sinceMs);
      if (isCertain || nowMs - sinceMs < MAX_EXEC_MS) pids.push(pid);
    }
    return pids;
  };
}
