import { statSync } from "node:fs";
import type { Stats } from "node:fs";
import { dirname } from "node:path";
import { OverlayError } from "../net/overlay-error.ts";
import { reasonOf } from "../net/reason-of.ts";

/**
 * The error for a file that could not be used: `what` was to be done, `cause` is what the kernel or Node said.
 * @param flag - names another place for the file, as advice where permission is missing
 */
export function fileError(what: string, path: string, cause: unknown, flag?: string): OverlayError {
  const reason = findFileInTheWay(path, cause) ?? reasonOf(cause);
  const isDenied = hasErrorCode(cause, "EACCES") || hasErrorCode(cause, "EPERM");
  const advice = isDenied && flag !== undefined ? `; run as root, or give ${flag}` : "";
  return new OverlayError("ERR_FILE_FAILED", `${what}: ${reason}${advice}`, { path }, { cause });
}

/** Node says of a file where a directory should be either "not a directory" or "file already exists", not which. */
function findFileInTheWay(path: string, cause: unknown): string | null {
  if (!hasErrorCode(cause, "ENOTDIR") && !hasErrorCode(cause, "EEXIST")) return null;
  for (let parent = dirname(path); parent !== dirname(parent); parent = dirname(parent)) {
    const stats = statOrNull(parent);
    if (stats !== null) return stats.isDirectory() ? null : `${parent} is a file, not a directory`;
  }
  return null;
}

function statOrNull(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null; // a part of it is no directory, or not there: the parent tells
  }
}

/** Whether `err` is the system's error with this name, such as ENOENT. */
export function hasErrorCode(err: unknown, code: string): boolean {
  return err instanceof Error && "code" in err && err.code === code;
}
