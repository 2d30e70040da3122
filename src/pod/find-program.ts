import { join } from "node:path";
import { isProgram } from "../cni/call/find-plugin.ts";

/**
 * Where the program is that a command begins with, as the kernel would run it, or null when there is none. A word that
 * only a shell knows, such as `cd`, is no program.
 * @param searchPath - directories separated by colons, an empty one is the working directory
 */
export function findProgram(name: string, searchPath: string): string | null {
  if (name === "") return null;
  const places = name.includes("/") ? [name] : searchPath.split(":").map((place) => join(place, name));
  return places.find(isProgram) ?? null;
}
