/** The files that an agent makes, and their directories where nothing else is in them. */
import { readdir, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileError, hasErrorCode } from "../../files/file-error.ts";
import { NODE_ID_TEMPORARY, nodeIdPath } from "../files/node-id.ts";
import { temporaryPath } from "../../files/replace-file.ts";
import { instanceLockPath } from "../files/single-instance.ts";
import type { AgentOptions } from "../options/agent-options.ts";
import { agentSocketPath } from "../options/agent-socket.ts";
import { peerCachePath } from "../start/start-plan.ts";
import type { Remains } from "./remains.ts";

/** Options that say where an agent's files are. */
export type AgentPaths = Pick<AgentOptions, "subnetFile" | "runDir" | "stateDir">;

/** It is gone already; or somebody has put a file into the directory, mounted it, or made a link of it: theirs to remove. */
const STAYS = ["ENOENT", "ENOTEMPTY", "EEXIST", "EBUSY", "ENOTDIR"];

/** What is there of the files; writes nothing. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function findFileRemains(paths: AgentPaths): Promise<Remains[]> {
  const remains: Remains[] = [];
  for (const [directory, isOurs] of filesByDirectory(paths)) {
    const present = await readNames(directory);
    if (present === null) continue;
    const ours = present.filter(isOurs);
    remains.push(...ours.map((name) => fileRemains(join(directory, name))));
    if (ours.length > 0 && ours.length === present.length) remains.push(directoryRemains(directory));
  }
  return remains;
}

/** By directory, which names in it are an agent's. */
function filesByDirectory(paths: AgentPaths): Map<string, (name: string) => boolean> {
  const { subnetFile, runDir } = paths;
  const written = [subnetFile, peerCachePath(paths)].flatMap((path) => [path, temporaryPath(path)]);
  const files = [...written, nodeIdPath(paths.stateDir), agentSocketPath(runDir), instanceLockPath(runDir)];
  const names = Map.groupBy(files, (path) => resolve(dirname(path)));
  const stateDir = resolve(paths.stateDir);
  return new Map(
    [...names].map(([directory, inside]) => {
      const known = new Set(inside.map((path) => basename(path)));
      const isOurs = (name: string): boolean =>
        known.has(name) || (directory === stateDir && NODE_ID_TEMPORARY.test(name));
      return [directory, isOurs];
    }),
  );
}

/** Names in a directory; null when there is none. */
async function readNames(directory: string): Promise<string[] | null> {
  try {
    return await readdir(directory);
  } catch (err) {
    if (hasErrorCode(err, "ENOENT") || hasErrorCode(err, "ENOTDIR")) return null;
    throw fileError(`Cannot look for files of the agent in ${directory}`, directory, err);
  }
}

function fileRemains(path: string): Remains {
  return { names: [`file ${path}`], remove: () => tryRemove(path, rm(path)) };
}

function directoryRemains(path: string): Remains {
  return { names: [`directory ${path}`], remove: () => tryRemove(path, rmdir(path)) };
}

async function tryRemove(path: string, removal: Promise<void>): Promise<boolean> {
  try {
    await removal;
    return true;
  } catch (err) {
    if (STAYS.some((code) => hasErrorCode(err, code))) return false;
    throw fileError(`Cannot remove ${path}`, path, err);
  }
}
