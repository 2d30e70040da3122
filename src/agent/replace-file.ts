import { constants } from "node:fs";
import { lstat, mkdir, open, rename, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { OverlayError } from "../net/overlay-error.ts";

/** Directories that we make may be listed by everyone, as flannel's. */
const DIRECTORY_MODE = 0o755;
const PERMISSION_BITS = 0o7777;

/**
 * Replaces the file at `path` at once: whoever reads it sees the old or the new text, also after a crash.
 * Makes its directory; an existing regular file keeps its mode, a new one gets `mode` whatever the umask is.
 * On failure the old file is as it was and no other file is left.
 * @throws {OverlayError} `ERR_FILE_FAILED`
 */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  // One fixed name: what a crash leaves is cleared by the next write instead of piling up.
  const temporary = join(dirname(path), `.${basename(path)}.twill-new`);
  try {
    await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    await rm(temporary, { force: true });
    await writeNew(temporary, text, await modeOf(path, mode));
    await rename(temporary, path);
  } catch (err) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error tells more
    const reason = err instanceof Error ? err.message : String(err);
    throw new OverlayError("ERR_FILE_FAILED", `Cannot write ${path}: ${reason}`, { path }, { cause: err });
  }
}

async function modeOf(path: string, fallback: number): Promise<number> {
  const stats = await lstat(path).catch((err: unknown) => {
    if (err instanceof Error && "code" in err && err.code === "ENOENT") return null;
    throw err;
  });
  return stats?.isFile() === true ? stats.mode & PERMISSION_BITS : fallback;
}

/** Exclusive and not through a symbolic link, so nobody else decides where the text goes. */
async function writeNew(path: string, text: string, mode: number): Promise<void> {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
  const file: FileHandle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(text);
    await file.chmod(mode); // not open()'s mode: the umask would cut it
    await file.sync();
  } finally {
    await file.close();
  }
}
