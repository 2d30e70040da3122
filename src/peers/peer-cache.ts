/** Reads the file that holds the cached state: `peers.json` in the state directory. The agent writes it. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { reasonOf } from "../net/reason-of.ts";
import { parseCachedState } from "./cached-state.ts";
import type { CachedState } from "./cached-state.ts";
import { MAX_PEERS } from "./peer-set.ts";

/** What was found; `problem` is null when there is no file, else why it is of no use, fit for a log line. */
export type LoadedCache =
  | { readonly state: CachedState; readonly problem: null }
  | { readonly state: null; readonly problem: string | null };

/** Room for the largest lease value that is read (4 KiB) and what is written around it, for each peer. */
const MAX_CACHE_BYTES = MAX_PEERS * (4_096 + 512);

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/** Reads the cache at `path`. Never rejects: an agent without one starts too, only later. */
export async function loadPeerCache(path: string): Promise<LoadedCache> {
  try {
    const parsed = parseCachedState(await readRegularFile(path));
    return parsed.ok ? { state: parsed.state, problem: null } : { state: null, problem: parsed.reason };
  } catch (err) {
    return { state: null, problem: hasCode(err, "ENOENT") ? null : reasonOf(err) };
  }
}

/** Not through a symbolic link, and without waiting for whoever would write into a FIFO. */
async function readRegularFile(path: string): Promise<string> {
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error("it is not a regular file");
    if (stats.size > MAX_CACHE_BYTES)
      throw new Error(`it has ${stats.size} bytes, more than ${MAX_CACHE_BYTES}`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

function hasCode(err: unknown, code: string): boolean {
  return err instanceof Error && "code" in err && err.code === code;
}
