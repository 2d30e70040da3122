/** `twill cleanup`: takes away what agents left on this host, and nothing else. */
import { closeSync, constants, openSync } from "node:fs";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { fileError, hasErrorCode } from "../../files/file-error.ts";
import { tryLock } from "../../files/file-lock.ts";
import { instanceLockPath } from "../files/single-instance.ts";
import { findFileRemains } from "./file-remains.ts";
import type { AgentPaths } from "./file-remains.ts";
import { findFirewallRemains } from "./firewall-remains.ts";
import { findKernelRemains, readOwnDevices } from "./kernel-remains.ts";
import type { OwnDevice } from "./kernel-remains.ts";
import type { Remains } from "./remains.ts";

export interface CleanUpDeps {
  readonly ip: IpCommand;
  /** Takes a line about each thing. */
  readonly tell: (line: string) => void;
}

/**
 * Removes kernel objects, firewall rules and files, in this order, and tells of each; with `isDryRun` only tells. What
 * was removed before an error stays removed, and a further call goes on from there.
 * @throws {OverlayError} `ERR_ALREADY_RUNNING` while an agent holds the lock of the run directory, `ERR_TUN_BUSY` while
 *   another process reads a device of ours; what keeps a thing from being removed
 */
export async function cleanUp(
  paths: AgentPaths,
  isDryRun: boolean,
  { ip, tell }: CleanUpDeps,
  signal: AbortSignal,
): Promise<void> {
  const release = lockOutAgent(paths.runDir);
  try {
    const devices = await readOwnDevices(ip, signal);
    refuseAttached(devices);
    let count = await removeAll(await findKernelRemains(ip, devices, signal), isDryRun, tell, signal);
    count += await removeAll(await findFirewallRemains(signal), isDryRun, tell, signal);
    count += await removeAll(await findFileRemains(paths), isDryRun, tell, signal);
    if (count === 0) tell("nothing of twill is on this host");
  } finally {
    release();
  }
}

/**
 * Routes and rules do not tell whose they are: with another agent at work on a TUN all of them stay. One of another run
 * directory whose packets the kernel carries cannot be seen.
 */
function refuseAttached(devices: readonly OwnDevice[]): void {
  const attached = devices.find(({ isAttached }) => isAttached);
  if (attached === undefined) return;
  throw new OverlayError(
    "ERR_TUN_BUSY",
    `Cannot clean up: a process is attached to device ${attached.name}, stop the twill agent or flanneld that it is; nothing was removed`,
    { device: attached.name },
  );
}

/** Resolves with the number of things that there were. */
async function removeAll(
  remains: readonly Remains[],
  isDryRun: boolean,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const one of remains) {
    if (one.names.length === 0) continue;
    if (!isDryRun && !(await one.remove(signal))) continue;
    for (const name of one.names) tell(`${isDryRun ? "would remove" : "removed"} ${name}`);
    count += one.names.length;
  }
  return count;
}

/**
 * Keeps agents of this run directory from starting until the returned function is called. Where none ever ran there is
 * no lock file, and none is made.
 */
function lockOutAgent(runDir: string): () => void {
  const path = instanceLockPath(runDir);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW); // flock(2) asks for no more
  } catch (err) {
    if (hasErrorCode(err, "ENOENT") || hasErrorCode(err, "ENOTDIR")) return () => undefined;
    throw fileError(`Cannot lock ${path}`, path, err, "--run-dir");
  }
  const release = (): void => closeSync(fd);
  try {
    const holder = tryLock(fd, path);
    if (holder === null) return release;
    throw new OverlayError(
      "ERR_ALREADY_RUNNING",
      `Cannot clean up: the agent (${holder}) of ${runDir} runs, stop it first`,
      { runDir },
    );
  } catch (err) {
    release();
    throw err;
  }
}
