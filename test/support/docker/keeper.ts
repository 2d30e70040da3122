/** Processes that do nothing but keep a namespace: `unshare ... sleep infinity`. */
import { readFileSync } from "node:fs";

/** What a keeper runs once its namespace is there. */
export const KEEP = ["sleep", "infinity"] as const;

/** Whether a process that is to become a keeper has become one; before, it may still be in the machine's namespaces. */
export function isKeeper(pid: number): boolean {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === KEEP[0];
}
