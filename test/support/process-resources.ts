/** What this process holds in the kernel: equal before and after means that nothing was left behind. */
import { readFileSync, readdirSync } from "node:fs";

/** Open descriptors, the one for this very look not counted. */
export function countDescriptors(): number {
  return readdirSync("/proc/self/fd").length - 1;
}

/** Threads, the main one counted. */
export function countThreads(): number {
  return readdirSync("/proc/self/task").length;
}

/** Processes whose parent is this one, those included that ended and were not waited for. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number),
  );
}
