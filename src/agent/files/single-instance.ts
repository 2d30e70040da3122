/** One agent per run directory: a lock that the kernel frees when its holder is gone, however it went. */
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errnoName, loadAddon } from "../../addon/addon.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";
import { fileError } from "../../files/file-error.ts";

const LOCK_FILE = "agent.lock";
/** O_NOFOLLOW: where others may write to the directory, a link must not make us cut a file elsewhere. */
const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** The file whose lock an agent of this run directory holds. */
export function instanceLockPath(runDir: string): string {
  return join(runDir, LOCK_FILE);
}

/** Held until `release` or the end of the process. */
export interface InstanceLock {
  /** Path of the lock file. It stays after a release: removing it would let two agents lock two files. */
  readonly path: string;
  release(): void;
}

/**
 * Locks `runDir` for this agent, making the directory where needed. The lock is flock(2), so a killed agent
 * never leaves it behind; the file holds the pid of the holder, for people.
 * @throws {OverlayError} `ERR_ALREADY_RUNNING` with the holder's pid, `ERR_FILE_FAILED`
 */
export function acquireInstanceLock(runDir: string): InstanceLock {
  const path = instanceLockPath(runDir);
  const fd = openLockFile(runDir, path);
  try {
    lock(fd, runDir, path);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch (err) {
    closeSync(fd);
    throw err instanceof OverlayError ? err : fileError(`Cannot lock ${path}`, path, err);
  }
  return { path, release: () => closeSync(fd) };
}

function openLockFile(runDir: string, path: string): number {
  try {
    mkdirSync(runDir, { recursive: true });
    return openSync(path, OPEN_FLAGS, 0o600);
  } catch (err) {
    throw fileError(`Cannot lock ${path}`, path, err, "--run-dir");
  }
}

function lock(fd: number, runDir: string, path: string): void {
  const holder = tryLock(fd, path);
  if (holder === null) return;
  throw new OverlayError("ERR_ALREADY_RUNNING", `Cannot start: ${holder} holds ${path}`, { holder, runDir });
}

/**
 * Locks an open lock file, or tells who holds it.
 * @throws {OverlayError} `ERR_FILE_FAILED` when it cannot be locked at all
 */
export function tryLock(fd: number, path: string): string | null {
  const status = loadAddon().lockFile(fd);
  if (status === 0) return null;
  if (errnoName(status) !== "EAGAIN")
    throw fileError(`Cannot lock ${path}`, path, new Error(errnoName(status)));
  // The holder may not have written it yet, and its number is of its own pid namespace.
  const text = readFileSync(fd, "utf8").trim();
  return /^[0-9]{1,10}$/.test(text) ? `process ${text}` : `a process that wrote ${showUntrusted(text)}`;
}
