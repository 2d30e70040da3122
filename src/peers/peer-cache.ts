/** The file that holds the cached state: `peers.json` in the state directory. */
import { constants } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OverlayError } from "../net/overlay-error.ts";
import { formatCachedState, parseCachedState } from "./cached-state.ts";
import type { CachedState } from "./cached-state.ts";
import { MAX_PEERS } from "./peer-set.ts";

/** What was found; `problem` is null when there is no file, else why it is of no use, fit for a log line. */
export type LoadedCache =
  | { readonly state: CachedState; readonly problem: null }
  | { readonly state: null; readonly problem: string | null };

/** Room for the largest lease value that is read (4 KiB) and what is written around it, for each peer. */
const MAX_CACHE_BYTES = MAX_PEERS * (4_096 + 512);
const CACHE_MODE = 0o600; // where every node is: nobody else's business

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** Reads the cache at `path`. Never rejects: an agent without one starts too, only later. */
export async function loadPeerCache(path: string): Promise<LoadedCache> {
  try {
    const parsed = parseCachedState(await readRegularFile(path));
    return parsed.ok ? { state: parsed.state, problem: null } : { state: null, problem: parsed.reason };
  } catch (err) {
    return { state: null, problem: hasCode(err, "ENOENT") ? null : reasonOf(err) };
  }
}

/**
 * Replaces the cache at `path`. After a crash at any moment the file holds the old state or the new one.
 * One save at a time for one path.
 * @throws {OverlayError} `ERR_FILE_FAILED`; then too the file is whole, and no other file is left
 */
export async function savePeerCache(path: string, state: CachedState): Promise<void> {
  // One fixed name: what a crash leaves is cleared by the next save instead of piling up.
  const temporary = join(dirname(path), `.${basename(path)}.new`);
  try {
    await rm(temporary, { force: true });
    await writeDurably(temporary, formatCachedState(state));
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (err) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error tells more
    throw new OverlayError(
      "ERR_FILE_FAILED",
      `Cannot save the peer cache: ${reasonOf(err)}`,
      { path },
      { cause: err },
    );
  }
}

/** Not through a symbolic link, and without waiting for whoever would write into a FIFO. */
async function readRegularFile(path: string): Promise<string> {
  return await withFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, async (file) => {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error("it is not a regular file");
    if (stats.size > MAX_CACHE_BYTES)
      throw new Error(`it has ${stats.size} bytes, more than ${MAX_CACHE_BYTES}`);
    return await file.readFile("utf8");
  });
}

async function writeDurably(path: string, text: string): Promise<void> {
  await withFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, async (file) => {
    await file.writeFile(text);
    await file.sync();
  });
}

/** Makes a rename in this directory outlast a power cut. */
async function syncDirectory(path: string): Promise<void> {
  await withFile(path, O_RDONLY | O_DIRECTORY, (directory) => directory.sync());
}

async function withFile<T>(path: string, flags: number, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, CACHE_MODE);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function hasCode(err: unknown, code: string): boolean {
  return err instanceof Error && "code" in err && err.code === code;
}

function reasonOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
