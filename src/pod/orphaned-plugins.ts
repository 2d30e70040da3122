import { isRunning, processesThatMayHaveVariable } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { PLUGIN_DEADLINE_MS } from "./cni-plugin.ts";
import { pollUntil } from "./poll-until.ts";

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
  const look = (): number[] =>
    processesThatMayHaveVariable(`CNI_CONTAINERID=${containerId}`)
      .filter(isRunning)
      .map(({ pid }) => pid);
  if ((await pollUntil(() => (look().length === 0 ? true : null), timeoutMs)) !== null) return;
  const [pid] = look();
  if (pid === undefined) return;
  throw new OverlayError(
    "ERR_POD_FAILED",
    `process ${pid}, a CNI plugin that a killed command started, still works for it after ${timeoutMs / 1000} s; end it and try again`,
  );
}
