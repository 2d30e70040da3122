import { statSync } from "node:fs";
import { join } from "node:path";

const MAY_BE_RUN = 0o111;

/**
 * Where a plugin is: the first file of its name that may be run. Null when no directory has one.
 * @param name - becomes part of a path, so its form must have been checked
 */
export function findPlugin(name: string, directories: readonly string[]): string | null {
  return directories.map((directory) => join(directory, name)).find(isProgram) ?? null;
}

/** Whether there is a file at the path that may be run. */
export function isProgram(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFile() && (stats.mode & MAY_BE_RUN) !== 0;
  } catch {
    return false; // not there, or out of reach
  }
}
