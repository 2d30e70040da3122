/** Keeps what the agent has in memory (etcd password, TLS keys) out of core dumps and other users' debuggers. */
import { errnoName, loadAddon } from "../../addon/addon.ts";
import { OverlayError } from "../../net/overlay-error.ts";

/**
 * Forbids core dumps (RLIMIT_CORE 0) and tracing by processes without CAP_SYS_PTRACE (PR_SET_DUMPABLE 0), for
 * this process; programs it starts inherit only the first. Side effect: /proc/PID/* belongs to root from then on.
 * @throws {OverlayError} `ERR_KERNEL_FAILED`
 */
export function hardenProcess(): void {
  const status = loadAddon().hardenProcess();
  if (status < 0)
    throw new OverlayError("ERR_KERNEL_FAILED", `Cannot forbid core dumps: ${errnoName(status)}`);
}
