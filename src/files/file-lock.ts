/** A lock that the kernel frees when its holder is gone, however it went: flock(2) on a file. */
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { errnoName, loadAddon } from "../addon/addon.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { showUntrusted } from "../net/untrusted-text.ts";
import { fileError } from "./file-error.ts";

/** O_NOFOLLOW: where others may write to the directory, a link must not make us cut a file elsewhere. */
const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** Far beyond any pid. */
const MAX_HOLDER_BYTES = 256;

/** Held until `release` or the end of the process. */
export interface FileLock {
  /** Path of the lock file. It stays after a release: removing it would let two processes lock two files. */
  readonly path: string;
  release(): void;
}

/**
 * Locks a file for this process, making it and its directory where needed; it then holds our pid, for people.
 * @param flag - names another place for the file, as advice where permission is missing
 * @throws {OverlayError} `ERR_ALREADY_RUNNING` with the holder's pid and these `fields`, `ERR_FILE_FAILED`
 */
export function acquireFileLock(path: string, flag: string, fields: OverlayError["fields"] = {}): FileLock {
  const fd = openLockFile(path, flag);
  try {
    const holder = tryLock(fd, path);
    if (holder !== null)
      throw new OverlayError("ERR_ALREADY_RUNNING", `Cannot start: ${holder} holds ${path}`, {
        holder,
        ...fields,
      });
    writeHolder(fd, path);
  } catch (err) {
    closeSync(fd);
    throw err;
  }
  return { path, release: () => closeSync(fd) };
}

/**
 * Opens a lock file, making it and its directory where needed. Whoever opens it closes it, and so frees the lock.
 * @throws {OverlayError} `ERR_FILE_FAILED`
 */
export function openLockFile(path: string, flag: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, OPEN_FLAGS, 0o600);
  } catch (err) {
    throw fileError(`Cannot lock ${path}`, path, err, flag);
  }
}

/** Writes our pid into a lock file that we hold. @throws {OverlayError} `ERR_FILE_FAILED` */
export function writeHolder(fd: number, path: string): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch (err) {
    throw fileError(`Cannot lock ${path}`, path, err);
  }
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
  const text = readHolder(fd, path);
  return /^[0-9]{1,10}$/.test(text) ? `process ${text}` : `a process that wrote ${showUntrusted(text)}`;
}

/** From its beginning, wherever an earlier look has left the descriptor. */
function readHolder(fd: number, path: string): string {
  const buffer = Buffer.alloc(MAX_HOLDER_BYTES);
  try {
    return buffer.toString("utf8", 0, readSync(fd, buffer, 0, MAX_HOLDER_BYTES, 0)).trim();
  } catch (err) {
    throw fileError(`Cannot read ${path}`, path, err);
  }
}
