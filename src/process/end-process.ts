/** The end of a long-running command's process, which nobody outside can hold up. */
import { flushCompileCache } from "node:module";
import type { Logger } from "pino";
import { loadAddon } from "../addon/addon.ts";

/** Time for the event loop to run empty by itself, as it does where everyone who was asked has answered. */
const RUN_EMPTY_MS = 100;

/**
 * Ends the process with `status` when it does not end by itself at once. All that is ours is closed by then; what can be
 * left are a TCP or TLS handshake (2 minutes where packets are dropped), which gRPC cannot cancel, and the look-up of a
 * name (5 s and more), which nobody can: `process.exit` waits for its thread.
 */
export function endProcess(status: number, log: Logger): void {
  setTimeout(() => {
    log.info({ left: process.getActiveResourcesInfo() }, "Not waiting for what cannot be cancelled");
    flushCompileCache(); // the next start is faster with it
    loadAddon().endProcess(status);
  }, RUN_EMPTY_MS).unref();
}
