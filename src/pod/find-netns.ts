/** Finding a pod's namespace again, whichever of its processes still run. */
import { closeSync, openSync } from "node:fs";
import { hasErrorCode } from "../files/file-error.ts";
import { isRunning } from "../files/process-identity.ts";
import type { ProcessIdentity } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { readMark } from "./netns-mark.ts";
import { allMembers, netnsNumberOf, processesIn } from "./netns-number.ts";
import type { NetnsMember } from "./netns-number.ts";
import type { PodTraces } from "./pod-record.ts";

/** A pod's namespace that somebody is in. */
export interface PodNetns {
  readonly number: number;
  /** A process in it: the pod's first one as long as that runs. */
  readonly pid: number;
  /**
   * Path through a descriptor of ours, which keeps the namespace and so its number; null when we may not open it: all
   * that are in it belong to other users, and CAP_SYS_PTRACE is missing.
   */
  readonly path: string | null;
  close(): void;
}

/** One look may miss a process that starts another and ends, again and again. */
const LOOKS = 3;

/**
 * The pod's namespace, or null when nobody we can see is in it. Ours is the one that the pod's first process is in, or
 * that has the pod's number and mark: the number alone may be another's by now.
 * @param scope - what the marks of this pod begin with; tells when the record does not
 * @throws {OverlayError} `ERR_POD_FAILED` when that cannot be told
 */
export async function findNetns(pod: PodTraces, scope: string | null): Promise<PodNetns | null> {
  for (let look = 0; look < LOOKS; look++) {
    const found = netnsOfLeader(pod) ?? (await netnsWithMark(pod, scope));
    if (found !== null) return found;
  }
  return null;
}

/** Whether a namespace with this mark is the pod's. */
export function isOurs(mark: string, { netns }: Pick<PodTraces, "netns">, scope: string | null): boolean {
  return netns === null ? scope !== null && mark.startsWith(scope) : mark === netns.mark;
}

/** The error for processes that may be in the pod's namespace or in another pod's, so that it names none to be ended. */
function hidden(): OverlayError {
  return new OverlayError(
    "ERR_POD_FAILED",
    "processes of other users may be in its network or in another's, and telling takes CAP_SYS_PTRACE; run this with the capability, or end those that the pod has started",
  );
}

/** The first process is known by its start; but it may have gone elsewhere, even to where we are. */
function netnsOfLeader({ process: leader, netns }: PodTraces): PodNetns | null {
  if (leader === null || !isRunning(leader)) return null;
  const number = netnsNumberOf(leader.pid);
  if (number === null || !isCandidate(number, netns)) return null;
  const found = openMember({ number, pid: leader.pid, path: `/proc/${leader.pid}/ns/net` });
  if (isRunning(leader)) return found;
  found?.close(); // ended as we looked: what was opened may be another's
  return null;
}

async function netnsWithMark(pod: PodTraces, scope: string | null): Promise<PodNetns | null> {
  const seen = new Set<number>();
  const denied = new Set<number>();
  for (const member of allMembers()) {
    if (seen.has(member.number) || !isCandidate(member.number, pod.netns)) continue;
    const found = openMember(member);
    if (found === null) continue;
    if (found.path === null) {
      denied.add(member.number); // another process of the same namespace may do
      continue;
    }
    seen.add(member.number);
    if (isOurs(await readMark(found.path), pod, scope)) return found;
    found.close();
  }
  if ([...denied].some((number) => !seen.has(number))) throw hidden();
  return null;
}

/** Where the record does not tell, any but ours may be it. */
function isCandidate(number: number, netns: PodTraces["netns"]): boolean {
  return netns === null ? number !== netnsNumberOf(process.pid) : number === netns.number;
}

/** Null when the thread is gone. */
function openMember({ number, pid, path }: NetnsMember): PodNetns | null {
  try {
    const descriptor = openSync(path, "r");
    const own = `/proc/${process.pid}/fd/${descriptor}`;
    return { number, pid, path: own, close: () => closeSync(descriptor) };
  } catch (err) {
    if (!hasErrorCode(err, "EACCES") && !hasErrorCode(err, "EPERM")) return null;
    return { number, pid, path: null, close: () => undefined };
  }
}

/** The processes of a pod that run, each look anew. None that is not the pod's: they are going to be ended. */
export function* processesOf(pod: PodTraces, netns: PodNetns | null): Generator<ProcessIdentity> {
  const { process: leader } = pod;
  if (netns?.path === null) {
    // We hold no descriptor here: what was listed is the pod's only if its first process still runs afterwards.
    const found = [...processesIn(netns.number)];
    if (leader !== null && isRunning(leader)) yield* found;
    return;
  }
  if (leader !== null && isRunning(leader)) yield leader;
  if (netns !== null) yield* processesIn(netns.number);
}
