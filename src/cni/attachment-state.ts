/**
 * What a later call must know of an ADD, on disk before it begins. An ADD that did not come to its end, killed or
 * failed, is told by its file's name from one that did.
 */
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileError, hasErrorCode } from "../files/file-error.ts";
import { replaceFile } from "../files/replace-file.ts";
import type { ContainerNamespace } from "./container-namespace.ts";
import { isJsonObject } from "./network-config.ts";
import type { DelegateConfig } from "./plan-delegate.ts";
import { CNI_NAME } from "./plugin-request.ts";
import type { Attachment } from "./plugin-request.ts";

/** What is known of one ADD. */
export interface AttachmentState {
  /** What the delegate was told, and is told again by the DEL. */
  readonly delegate: DelegateConfig;
  readonly namespace: ContainerNamespace;
}

/** The two files that may be there for one attachment. */
export interface StateFiles {
  /** Since before the delegate was started, until its ADD has succeeded. */
  readonly unfinished: string;
  /** From then on. */
  readonly attached: string;
}

const MODES = { fileMode: 0o600, keepsFileMode: false, directoryMode: 0o700 };

/** Where the state of an attachment is. No part of the name has a colon, so no two attachments share a file. */
export function stateFiles(dataDir: string, network: string, attachment: Attachment): StateFiles {
  const attached = join(dataDir, `${network}:${attachment.containerId}:${attachment.interfaceName}`);
  return { attached, unfinished: `${attached}:unfinished` };
}

/** Notes that an ADD begins; outlasts a power cut. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function noteBegin(files: StateFiles, state: AttachmentState): Promise<void> {
  await replaceFile(files.unfinished, `${JSON.stringify(state)}\n`, MODES);
}

/** Notes that the ADD has succeeded. Not synced: after a power cut there is no container to tell the two apart for. */
export async function noteAttached(files: StateFiles): Promise<void> {
  try {
    await rename(files.unfinished, files.attached);
  } catch (err) {
    throw fileError(`Cannot write ${files.attached}`, files.attached, err);
  }
}

/** What one of the files says: null when it is not there, `damaged` when nobody can read it. */
export async function readState(path: string): Promise<AttachmentState | "damaged" | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (err) {
    if (hasErrorCode(err, "ENOENT")) return null;
    throw fileError(`Cannot read ${path}`, path, err);
  }
  return parseState(text) ?? "damaged";
}

/** Removes one of the files; that it is gone is no error. @throws {OverlayError} `ERR_FILE_FAILED` */
export async function removeState(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (err) {
    throw fileError(`Cannot remove ${path}`, path, err);
  }
}

function parseState(text: string): AttachmentState | null {
  try {
    const value = JSON.parse(text) as Partial<Record<string, unknown>>;
    if (isDelegate(value)) return { delegate: value, namespace: { path: "", id: null } }; // as it was written before
    const { delegate, namespace } = value;
    return isDelegate(delegate) && isNamespace(namespace) ? { delegate, namespace } : null;
  } catch {
    return null;
  }
}

/** Its type becomes the name of a program: it must be no path. */
function isDelegate(value: unknown): value is DelegateConfig {
  return isJsonObject(value) && typeof value.type === "string" && CNI_NAME.test(value.type);
}

function isNamespace(value: unknown): value is ContainerNamespace {
  if (!isJsonObject(value) || typeof value.path !== "string") return false;
  return value.id === null || typeof value.id === "string";
}
