/** What this process holds in the kernel: nothing more after than before means that nothing was left behind. */
import { readFileSync, readdirSync } from "node:fs";

/** Open descriptors, the one for this very look not counted. */
export function countDescriptors(): number {
  return readdirSync("/proc/self/fd").length - 1;
}

/** Ids of this process's threads, for {@link threadsSince}. */
export function threadIds(): ReadonlySet<string> {
  return new Set(readdirSync("/proc/self/task"));
}

/**
 * Ids of the threads that were not there `before`. No difference of numbers: on a busy CPU the kernel lists a thread for
 * a while after it was joined, so that the one just ended may be counted before, and is worth an `eventually` afterwards.
 */
export function threadsSince(before: ReadonlySet<string>): string[] {
  return [...threadIds()].filter((id) => !before.has(id));
}

/** Processes whose parent is this one, those included that ended and were not waited for. */
export function childrenOf(pid: number): number[] {
  for (;;) {
    const threads = readdirSync(`/proc/${pid}/task`);
    try {
      return threads.flatMap((thread) => childrenOfThread(pid, thread));
    } catch (err) {
      if (!isGone(err)) throw err; // else the thread has ended since, and its children are another one's
    }
  }
}

function childrenOfThread(pid: number, thread: string): number[] {
  const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

function isGone(err: unknown): boolean {
  const { code } = err as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ESRCH";
}
