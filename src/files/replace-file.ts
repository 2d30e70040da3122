import { lstat, mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { syncDirectory, writeNewFile } from "./durable-file.ts";
import { fileError, hasErrorCode } from "./file-error.ts";

/** Who may do what with a file and the directory it is in. */
export interface FileModes {
  /** Permission bits of the file, whatever the umask is. */
  readonly fileMode: number;
  /** Whether a regular file that is there keeps its own bits instead. */
  readonly keepsFileMode: boolean;
  /** Permission bits of the directory where it has to be made. */
  readonly directoryMode: number;
}

const PERMISSION_BITS = 0o7777;

/** Where the new text is until it takes the place of the file; a crash may leave it. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.twill-new`);
}

/**
 * Replaces the file at `path` at once: whoever reads it sees the old or the new text, also after a crash or a power
 * cut. Makes its directory. On failure the old file is as it was and no other file is left. One call at a time for
 * one path.
 * @throws {OverlayError} `ERR_FILE_FAILED`
 */
export async function replaceFile(path: string, text: string, modes: FileModes): Promise<void> {
  const directory = dirname(path);
  // One fixed name: what a crash leaves is cleared by the next write instead of piling up.
  const temporary = temporaryPath(path);
  try {
    const mode = await modeFor(path, modes);
    await writeNewFile(temporary, text, mode).catch(async (err: unknown) => {
      // Seldom, so not looked for each time: no directory yet, or what a crash left.
      if (hasErrorCode(err, "ENOENT")) await mkdir(directory, { recursive: true, mode: modes.directoryMode });
      else if (hasErrorCode(err, "EEXIST")) await rm(temporary, { force: true });
      else throw err;
      await writeNewFile(temporary, text, mode);
    });
    await rename(temporary, path);
    await syncDirectory(directory);
  } catch (err) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error tells more
    throw fileError(`Cannot write ${path}`, path, err);
  }
}

async function modeFor(path: string, { fileMode, keepsFileMode }: FileModes): Promise<number> {
  if (!keepsFileMode) return fileMode;
  const stats = await lstat(path).catch((err: unknown) => {
    if (hasErrorCode(err, "ENOENT")) return null;
    throw err;
  });
  return stats?.isFile() === true ? stats.mode & PERMISSION_BITS : fileMode;
}
