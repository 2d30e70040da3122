/** A process named so that a reused pid is never taken for it: pid and start time together. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

/** Pid and start time in clock ticks since boot (proc_pid_stat(5), field 22), as text: it may pass 2^53. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: string;
}

/** The part of /proc/PID/stat that we ask for. */
export interface ProcessStat {
  /** One letter: R running, S sleeping, T stopped, Z zombie ... */
  readonly state: string;
  /** Time on a CPU, user and system, in clock ticks of 10 ms. */
  readonly cpuTicks: number;
  readonly startTicks: string;
}

/** USER_HZ: fixed at 100 in what the kernel shows to programs, whatever its own HZ. */
export const MS_PER_TICK = 10;

// Fields of /proc/PID/stat counted from the one after the program's name, which is field 2.
const STATE_FIELD = 0;
const USER_TICKS_FIELD = 11;
const SYSTEM_TICKS_FIELD = 12;
const START_FIELD = 19;

/** Reads a line of /proc/PID/stat, or gives null. The program's name may hold blanks and brackets. */
export function parseProcessStat(text: string): ProcessStat | null {
  const nameEnd = text.lastIndexOf(")");
  if (nameEnd === -1) return null;
  const fields = text
    .slice(nameEnd + 2)
    .trim()
    .split(" ");
  const state = fields[STATE_FIELD];
  const startTicks = fields[START_FIELD];
  const cpuTicks = Number(fields[USER_TICKS_FIELD]) + Number(fields[SYSTEM_TICKS_FIELD]);
  if (!state || startTicks === undefined || !/^[0-9]+$/.test(startTicks) || !Number.isInteger(cpuTicks))
    return null;
  return { state, cpuTicks, startTicks };
}

/** What /proc says of a process, or null when there is none with this pid. */
export function readProcessStat(pid: number): ProcessStat | null {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return null; // gone: ENOENT, or ESRCH when it went while we read
  }
}

/** The identity of a process that runs now, or null when there is none with this pid. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const stat = readProcessStat(pid);
  return stat === null ? null : { pid, startTicks: stat.startTicks };
}

/** Whether this very process still runs. A zombie, which only waits for its parent, does not. */
export function isRunning(identity: ProcessIdentity): boolean {
  const stat = readProcessStat(identity.pid);
  if (stat?.startTicks !== identity.startTicks || stat.state === "X") return false;
  // A first thread that ended before the others looks like a zombie.
  return stat.state !== "Z" || threadsOf(identity.pid).length > 1;
}

/** The threads of a process, by number; none when it is gone. */
export function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

/** Sends a signal to this very process; false when it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch {
    return false; // went between the look and the signal
  }
}

/** Every process that was started with this variable in its environment; those we may not read are left out. */
export function processesWithVariable(variable: string): ProcessIdentity[] {
  return [...processesWhere((pid) => hasVariable(pid, variable) === true)];
}

/** A process that has a variable, or may have it. */
export interface VariableHolder {
  readonly process: ProcessIdentity;
  /** False for one that is just becoming another program: what variables it has cannot be told for a moment. */
  readonly isCertain: boolean;
}

/** {@link processesWithVariable}, and those of which it cannot be told. */
export function processesThatMayHaveVariable(variable: string): VariableHolder[] {
  const uncertain = new Set<number>();
  const found = processesWhere((pid) => {
    const isHeld = hasVariable(pid, variable);
    if (isHeld === null) uncertain.add(pid);
    return isHeld !== false;
  });
  return [...found].map((process) => ({ process, isCertain: !uncertain.has(process.pid) }));
}

/**
 * Every process but our own for which `isWanted` holds. One by one, so that whoever wants to signal it can do so before
 * it has ended and left another in its place; for the same reason those with high numbers, most often the newest, come
 * first.
 */
export function* processesWhere(isWanted: (pid: number) => boolean): Generator<ProcessIdentity> {
  for (const pid of pidsDescending(readdirSync("/proc"))) {
    if (pid === process.pid) continue;
    const identity = identifyProcess(pid); // before the look: a pid that is reused in between is then found out
    if (identity !== null && isWanted(pid)) yield identity;
  }
}

/** The names that are numbers, the highest first. */
export function pidsDescending(names: readonly string[]): number[] {
  return names
    .map(Number)
    .filter(Number.isInteger)
    .sort((a, b) => b - a);
}

/**
 * Null: it cannot be told. In the midst of execve(2) the old variables are gone and the new ones not yet in place; the
 * kernel shows none, and no arguments, for some 50 us, and for 100 ms where the process loses its CPU meanwhile.
 */
function hasVariable(pid: number, variable: string): boolean | null {
  try {
    const before = textOf(pid, "environ");
    if (before === "" && textOf(pid, "cmdline") === "") {
      readlinkSync(`/proc/${pid}/exe`); // fails for a thread of the kernel and for a zombie, which have no program
      return null;
    }
    const text = before === "" ? textOf(pid, "environ") : before; // it may have become the other one just now
    return text.split("\0").includes(variable);
  } catch {
    return false;
  }
}

function textOf(pid: number, file: "environ" | "cmdline"): string {
  return readFileSync(`/proc/${pid}/${file}`, "utf8");
}
