/**
 * Telling network namespaces apart by a number: that of the namespace's own `dev` file below /proc/PID/net. While the
 * namespace lives all in it see this number and nobody else does; later it may be another's, as a pid may.
 *
 * Not the number that /proc/PID/ns/net has: that is hidden for a process of another user where CAP_SYS_PTRACE is
 * missing, as it is in containers, and a server's workers are such processes.
 */
import { statSync } from "node:fs";
import { processesWhere, threadsOf } from "../files/process-identity.ts";
import type { ProcessIdentity } from "../files/process-identity.ts";

/** One thread of a process that has its own view: a program may send single threads into other namespaces. */
export interface NetnsMember {
  readonly number: number;
  readonly pid: number;
  /** Path of the namespace, as long as the thread runs. */
  readonly path: string;
}

/** The number of this process's namespace, that of its first thread; null when it is gone. */
export function netnsNumberOf(pid: number): number | null {
  return numberAt(`/proc/${pid}`);
}

/**
 * Every process but our own that is in this namespace with all its threads. One that sends a thread in for a look, as what
 * measures containers does, has others elsewhere.
 */
export function processesIn(number: number): Generator<ProcessIdentity> {
  return processesWhere((pid) => {
    const [member, ...others] = membersOf(pid);
    return member?.number === number && others.length === 0;
  });
}

/** For each process but our own and each namespace it is in a thread that is there, one by one as {@link processesWhere}. */
export function* allMembers(): Generator<NetnsMember> {
  for (const { pid } of processesWhere(() => true)) yield* membersOf(pid);
}

/** A thread of this process for each namespace that one of its threads is in. */
function membersOf(pid: number): NetnsMember[] {
  const members = new Map<number, NetnsMember>();
  for (const thread of threadsOf(pid)) {
    const number = numberAt(`/proc/${pid}/task/${thread}`);
    if (number !== null) members.set(number, { number, pid, path: `/proc/${pid}/task/${thread}/ns/net` });
  }
  return [...members.values()];
}

function numberAt(directory: string): number | null {
  try {
    return statSync(`${directory}/net/dev`).ino;
  } catch {
    return null; // gone, or ending: then it has left its namespace
  }
}
