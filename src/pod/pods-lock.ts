/** One command at a time makes or removes pods: plugins share a bridge and a pool of addresses. */
import { closeSync } from "node:fs";
import { openLockFile, tryLock, writeHolder } from "../files/file-lock.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { PLUGIN_DEADLINE_MS } from "./cni-plugin.ts";
import { pollUntil } from "./poll-until.ts";

/** Making a pod takes a fraction of a second; a plugin that hangs has its deadline, and what comes after it some seconds. */
const WAIT_MS = PLUGIN_DEADLINE_MS + 15_000;

/**
 * Runs `work` while `lockFile` is locked, and for no other in this process either.
 * @throws {OverlayError} `ERR_POD_FAILED` when another holds it all the time, `ERR_FILE_FAILED`
 */
export async function withPodsLock<T>(
  lockFile: string,
  work: () => Promise<T>,
  waitMs = WAIT_MS,
): Promise<T> {
  const fd = openLockFile(lockFile, "--pods-dir");
  try {
    const isOurs = await pollUntil(() => (tryLock(fd, lockFile) === null ? true : null), waitMs);
    const holder = isOurs === true ? null : tryLock(fd, lockFile);
    if (holder !== null) throw lockHeld(lockFile, holder, waitMs);
    writeHolder(fd, lockFile);
    return await work();
  } finally {
    closeSync(fd);
  }
}

function lockHeld(lockFile: string, holder: string, waitMs: number): OverlayError {
  return new OverlayError(
    "ERR_POD_FAILED",
    `Cannot lock ${lockFile}: ${holder}, which makes or removes a pod, holds it for more than ${waitMs / 1000} s; try again when it has ended`,
  );
}
