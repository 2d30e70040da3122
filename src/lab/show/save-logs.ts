import { copyFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { OverlayError } from "../../net/overlay-error.ts";
import { reasonOf } from "../../net/reason-of.ts";
import type { Lab } from "../lab.ts";
import type { LabOwner } from "../record/lab-record.ts";
import { logsDirectory, tidyStore } from "../record/lab-store.ts";

/** Owners whose labs are each named after a process: the logs of all of one kind have its name. */
const NAMED_BY_OWNER: ReadonlySet<LabOwner> = new Set(["demo", "bench"]);

/** Copies the logs of a lab that is about to go, over those of an earlier one; resolves with the folder that keeps them. */
export async function saveLogs(lab: Lab): Promise<string> {
  const { owner } = lab.record;
  const name = NAMED_BY_OWNER.has(owner) ? owner : lab.name;
  await removeLogs(lab.root, name);
  const folder = logsDirectory(lab.root, name);
  await mkdir(folder, { recursive: true }); // two demos may fail at once
  const logs = [
    ...lab.hosts.map((host) => [host.files.logFile, `${host.name}-agent.log`] as const),
    [lab.etcd.logFile, "etcd.log"] as const,
  ];
  // What did not get as far as to write one is no further failure.
  await Promise.all(logs.map(([from, to]) => copyFile(from, join(folder, to)).catch(() => undefined)));
  return folder;
}

/** Removes the logs that {@link saveLogs} kept under this name, if any, and what nothing needs then. */
export async function removeLogs(root: string, name: string): Promise<void> {
  await rm(logsDirectory(root, name), { recursive: true, force: true });
  await tidyStore(root);
}

/** The failure with the place of the logs in its message. */
export function withLogs(err: unknown, folder: string): OverlayError {
  const message = reasonOf(err);
  const code = err instanceof OverlayError ? err.code : "ERR_LAB_FAILED";
  return new OverlayError(code, `${message}\nThe logs are kept in ${folder}`, {}, { cause: err });
}
