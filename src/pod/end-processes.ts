import { isRunning, signalProcess } from "../files/process-identity.ts";
import type { ProcessIdentity } from "../files/process-identity.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { pollUntil } from "./poll-until.ts";

/** How long processes are given. */
export interface EndTimeouts {
  readonly termMs: number;
  /** A killed process is gone at once, unless the kernel holds it; those that start others take many looks on a busy machine. */
  readonly killMs: number;
}

const TIMEOUTS: EndTimeouts = { termMs: 5_000, killMs: 15_000 };
/** Looks in a row that must find nobody: one may miss a process that starts another and ends, again and again. */
const QUIET_LOOKS = 3;

/**
 * Ends processes with SIGTERM, each once, and those that are there after a while with SIGKILL. They may start others
 * meanwhile: it goes on until several looks in a row find none.
 * @param look - gives those that are there, one by one, each call anew
 * @throws {OverlayError} `ERR_POD_FAILED` when some are left at the end of the time
 */
export async function endProcesses(
  look: () => Iterable<ProcessIdentity>,
  { termMs, killMs }: EndTimeouts = TIMEOUTS,
): Promise<void> {
  const known = new Map<string, ProcessIdentity>();
  const term = (identity: ProcessIdentity, isNew: boolean): void => {
    if (!isNew) return;
    signalProcess(identity, "SIGTERM");
    signalProcess(identity, "SIGCONT"); // a stopped one could not end
  };
  const kill = (identity: ProcessIdentity): void => void signalProcess(identity, "SIGKILL");
  if (await isQuietWithin(termMs, known, look, term)) return;
  for (const identity of known.values()) kill(identity); // also those that cannot be found any more
  if (await isQuietWithin(killMs, known, look, kill)) return;
  const left = [...known.values()].filter(isRunning).map(({ pid }) => pid);
  throw new OverlayError("ERR_POD_FAILED", describeLeft(left));
}

async function isQuietWithin(
  timeoutMs: number,
  known: Map<string, ProcessIdentity>,
  look: () => Iterable<ProcessIdentity>,
  onSight: (identity: ProcessIdentity, isNew: boolean) => void,
): Promise<boolean> {
  let quietLooks = 0;
  const isQuiet = await pollUntil(() => {
    let found = 0;
    for (const identity of look()) {
      if (isRunning(identity)) found++;
      const key = `${identity.pid} ${identity.startTicks}`;
      onSight(identity, !known.has(key));
      known.set(key, identity);
    }
    for (const [key, identity] of known) if (!isRunning(identity)) known.delete(key);
    // Those that were found may have ended by now, and what they started meanwhile may not.
    quietLooks = found + known.size === 0 ? quietLooks + 1 : 0;
    return quietLooks >= QUIET_LOOKS ? true : null;
  }, timeoutMs);
  return isQuiet !== null;
}

function describeLeft(pids: readonly number[]): string {
  const [first] = pids;
  if (first === undefined)
    return "its processes start others faster than they are ended; end what starts them first";
  return `process ${first}${pids.length > 1 ? ` and ${pids.length - 1} more` : ""} did not end on SIGKILL; the kernel holds such a process, or it starts others faster than they are ended`;
}
