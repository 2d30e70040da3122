/** The directory of all labs of a machine: one folder each, whose presence under a name is that name's lock. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OverlayError } from "../../net/overlay-error.ts";
import { NETNS_MARKER, removeNetnsDirectory } from "../machine/netns-directory.ts";
import { isRunning } from "../../files/process-identity.ts";
import type { ProcessIdentity } from "../../files/process-identity.ts";
import { readLabRecord, writeLabRecord } from "./record-file.ts";
import type { LabRecord } from "./lab-record.ts";
import { checkLabName } from "./names.ts";

/** Where labs are kept unless told otherwise; /run is emptied at boot, as namespaces are. */
export const DEFAULT_STATE_DIRECTORY = "/run/twill-lab";

/** A folder that is being filled: `.new-PID-STARTTICKS` of who fills it. */
const DRAFT_NAME = /^\.new-([1-9][0-9]*)-([0-9]+)$/;
/** In a root that the labs made themselves, which therefore goes with the last of them. */
const ROOT_MARKER = ".made-for-labs";
/** Folders with the logs of labs that could not be finished; no lab has a name with a dot. */
const LOGS_PREFIX = ".logs-";
/** Another command may remove the empty root between our two steps; it cannot go on for ever. */
const CLAIM_TRIES = 5;

/** The folder of one lab. */
export function labDirectory(root: string, name: string): string {
  checkLabName(name);
  return join(root, name);
}

/** Where the logs of the last lab of this name that could not be finished are kept. */
export function logsDirectory(root: string, name: string): string {
  checkLabName(name);
  return join(root, `${LOGS_PREFIX}${name}`);
}

/**
 * Claims the name of a new lab: from here on its record stands. Exactly one of several at once succeeds.
 * @throws {OverlayError} `ERR_LAB_FAILED` when there is a lab of this name
 */
export async function claimLab(root: string, record: LabRecord): Promise<string> {
  const directory = labDirectory(root, record.name);
  const draft = join(root, `.new-${record.maker.pid}-${record.maker.startTicks}`);
  for (let tries = CLAIM_TRIES; ; tries--) {
    try {
      await makeRoot(root);
      await mkdir(draft);
      await writeLabRecord(draft, record);
      await rename(draft, directory);
      return directory;
    } catch (err) {
      if (hasCode(err, "ENOENT") && tries > 1) continue;
      await rm(draft, { recursive: true, force: true });
      if (!hasCode(err, "ENOTEMPTY") && !hasCode(err, "EEXIST")) throw err;
      throw nameTaken(record.name, directory);
    }
  }
}

async function makeRoot(root: string): Promise<void> {
  const made = await mkdir(root, { recursive: true });
  if (made !== undefined) await writeFile(join(root, ROOT_MARKER), "");
}

/** @throws {OverlayError} `ERR_LAB_FAILED` when there is a lab of this name */
export function checkNameFree(root: string, name: string): void {
  const directory = labDirectory(root, name);
  if (existsSync(directory)) throw nameTaken(name, directory);
}

function nameTaken(name: string, directory: string): OverlayError {
  const how = `take it down first (twill lab down --name ${name}), or use another name`;
  return new OverlayError("ERR_LAB_FAILED", `Cannot make lab ${name}: there is one in ${directory}; ${how}`);
}

/** Records of every lab below `root`. What is there but is no lab's folder is left out. */
export async function listLabs(root: string): Promise<LabRecord[]> {
  const labs: LabRecord[] = [];
  for (const name of await entriesOf(root)) {
    if (name.startsWith(".")) continue;
    const record = await readLabRecord(join(root, name)).catch(() => null);
    if (record?.name === name) labs.push(record);
  }
  return labs;
}

/**
 * Whether nobody will take this lab down but us: its maker is dead, and it was to end with it, or was not
 * even finished.
 */
export function isAbandoned(record: LabRecord): boolean {
  return (record.owner !== "user" || record.stage === "making") && !isRunning(record.maker);
}

/** Removes what {@link claimLab} made; last of all, for until then the lab can be found. */
export async function forgetLab(root: string, name: string): Promise<void> {
  await rm(labDirectory(root, name), { recursive: true, force: true });
}

/** Removes the drafts of dead processes and, when no lab is left, what else was made for labs, `root` included unless it keeps logs. */
export async function tidyStore(root: string): Promise<void> {
  let isLast = true;
  let hasLogs = false;
  for (const name of await entriesOf(root)) {
    const maker = makerOfDraft(name);
    if (maker !== null && !isRunning(maker)) await rm(join(root, name), { recursive: true, force: true });
    else if (name.startsWith(LOGS_PREFIX)) hasLogs = true;
    else if (name !== NETNS_MARKER && name !== ROOT_MARKER) isLast = false;
  }
  if (!isLast) return;
  await removeNetnsDirectory(root);
  if (hasLogs || !existsSync(join(root, ROOT_MARKER))) return;
  await rm(join(root, ROOT_MARKER), { force: true });
  await rmdir(root).catch((err: unknown) => {
    if (!hasCode(err, "ENOTEMPTY") && !hasCode(err, "ENOENT")) throw err; // another command is making a lab
  });
}

function makerOfDraft(name: string): ProcessIdentity | null {
  const [, pid, startTicks] = DRAFT_NAME.exec(name) ?? [];
  return pid === undefined || startTicks === undefined ? null : { pid: Number(pid), startTicks };
}

async function entriesOf(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (err) {
    if (hasCode(err, "ENOENT")) return [];
    throw err;
  }
}

function hasCode(err: unknown, code: string): boolean {
  return err instanceof Error && "code" in err && err.code === code;
}
