/** One agent per run directory. */
import { join } from "node:path";
import { acquireFileLock } from "../../files/file-lock.ts";
import type { FileLock } from "../../files/file-lock.ts";

const LOCK_FILE = "agent.lock";

/** The file whose lock an agent of this run directory holds. */
export function instanceLockPath(runDir: string): string {
  return join(runDir, LOCK_FILE);
}

/**
 * Locks `runDir` for this agent, making the directory where needed.
 * @throws {OverlayError} `ERR_ALREADY_RUNNING` with the holder's pid, `ERR_FILE_FAILED`
 */
export function acquireInstanceLock(runDir: string): FileLock {
  return acquireFileLock(instanceLockPath(runDir), "--run-dir", { runDir });
}
