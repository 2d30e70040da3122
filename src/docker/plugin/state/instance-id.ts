/** Who a plugin is: the mark on its devices has this id. */
import { createHash, randomBytes } from "node:crypto";
import { resolve } from "node:path";

const RANDOM_BYTES = 4;
/** Of a hash of the path: two directories of one host are told apart, but not those that two containers see by one path. */
const DIRECTORY_DIGITS = 12;
/** By chance, and the state directory; the second part is missing in ids of the first version. */
const ID = /^[0-9a-f]+\.([0-9a-f]+)$/;

/**
 * An id that no plugin had, for a state directory without a state: `9f86d081.3c6e0b8a9c15`. It tells where the state was kept,
 * so that what a lost state has left is known from what another plugin keeps in another directory.
 */
export function newInstanceId(stateDir: string): string {
  const directory = createHash("sha256").update(resolve(stateDir)).digest("hex").slice(0, DIRECTORY_DIGITS);
  return `${randomBytes(RANDOM_BYTES).toString("hex")}.${directory}`;
}

/** Whether two plugins had their state in one directory, one after the other; unknown where an id does not tell its own. */
export function compareDirectories(a: string, b: string): "same" | "other" | "unknown" {
  if (a === b) return "same";
  const [ofA, ofB] = [ID.exec(a)?.[1], ID.exec(b)?.[1]];
  if (ofA === undefined || ofB === undefined) return "unknown";
  return ofA === ofB ? "same" : "other";
}
