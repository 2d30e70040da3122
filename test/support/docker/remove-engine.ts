/** Taking an engine down, whatever is left of it: of one that runs, of one whose test was killed. */
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { join } from "node:path";
import { hasErrorCode } from "../../../src/files/file-error.ts";
import { waitGone } from "../../../src/lab/machine/lab-process.ts";
import {
  identifyProcess,
  isRunning,
  processesWithVariable,
  signalProcess,
} from "../../../src/files/process-identity.ts";
import type { ProcessIdentity } from "../../../src/files/process-identity.ts";
import { eventually } from "../eventually.ts";
import { ENGINES_DIRECTORY, ENGINE_VARIABLE, cgroupParent, engineDirectory, makerOf } from "./engine-name.ts";

const CGROUPS = "/sys/fs/cgroup";
/** The kernel has cleared all places of a killed engine by then, on a busy machine too. */
const CLEARED = { timeoutMs: 30_000 };
/** Bound by who sweeps: an abstract socket leaves no file, and goes with its process. */
const SWEEP_LOCK = "\0twill-test-engines-sweep";
/** A sweep before ours removes some engines. */
const SWEEP_LOCK_WAIT = { timeoutMs: 60_000 };

/**
 * Kills an engine and its containers and removes its files and cgroups. Mounts need no removal: all of them are in mount
 * namespaces that go with their last process. What is gone already is no error.
 */
export async function removeEngine(name: string): Promise<void> {
  // One may start another while we look: look until nobody is left.
  for (let found = processesOf(name); found.length > 0; found = processesOf(name)) {
    for (const identity of found) signalProcess(identity, "SIGKILL");
    await waitGone(found);
  }
  for (const hierarchy of await cgroupHierarchies()) {
    // The kernel frees a dead process's place in its cgroup a moment after its end.
    await eventually(() => removeCgroup(join(hierarchy, cgroupParent(name))), CLEARED);
  }
  await rm(engineDirectory(name), { recursive: true, force: true });
  await rmdir(ENGINES_DIRECTORY).catch((err: unknown) => {
    if (!hasErrorCode(err, "ENOTEMPTY") && !hasErrorCode(err, "ENOENT")) throw err;
  });
}

/** Removes engines whose makers are dead; resolves with their names. One sweep at a time, whichever process asks for it. */
export async function sweepEngines(): Promise<string[]> {
  return await sweepingAlone((sweep) => sweep());
}

/** Does something while no process sweeps but by the `sweep` it is given. */
export async function sweepingAlone<T>(act: (sweep: () => Promise<string[]>) => Promise<T>): Promise<T> {
  const lock = await eventually(() => bind(SWEEP_LOCK), SWEEP_LOCK_WAIT);
  try {
    return await act(sweep);
  } finally {
    lock.close();
  }
}

/** Rejects when another process has it. */
async function bind(path: string): Promise<Server> {
  const server = createServer().listen(path);
  await once(server, "listening");
  return server;
}

async function sweep(): Promise<string[]> {
  const left = (await entriesOf(ENGINES_DIRECTORY)).filter((name) => {
    const maker = makerOf(name);
    return maker !== null && !isRunning(maker);
  });
  for (const name of left) await removeEngine(name);
  return left;
}

/** The daemons carry the engine's mark; what runs in a container has its own environment and lies in the engine's cgroups. */
function processesOf(name: string): ProcessIdentity[] {
  const daemons = processesWithVariable(`${ENGINE_VARIABLE}=${name}`);
  const contained = readdirSync("/proc")
    .filter((entry) => /^[1-9][0-9]*$/.test(entry) && isInCgroup(entry, `${cgroupParent(name)}/`))
    .map((entry) => identifyProcess(Number(entry)))
    .filter((identity) => identity !== null);
  return [...daemons, ...contained].filter(isRunning);
}

function isInCgroup(pid: string, parent: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`:${parent}`);
  } catch {
    return false; // gone
  }
}

/** Where cgroups lie: one tree for each controller (version 1), or one for all. */
async function cgroupHierarchies(): Promise<string[]> {
  return [CGROUPS, ...(await directoriesIn(CGROUPS))];
}

async function removeCgroup(path: string): Promise<void> {
  for (const child of await directoriesIn(path)) await removeCgroup(child);
  await rmdir(path).catch((err: unknown) => {
    if (!hasErrorCode(err, "ENOENT")) throw err;
  });
}

async function directoriesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(path, entry.name));
}

async function entriesOf(path: string): Promise<string[]> {
  return await readdir(path).catch((err: unknown) => {
    if (hasErrorCode(err, "ENOENT")) return [];
    throw err;
  });
}
