/**
 * What a DEL must know, on disk before the ADD begins: the delegate's configuration. An ADD that did not come to its
 * end, killed or failed, is told by its file's name from one that did.
 */
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileError, hasErrorCode } from "../files/file-error.ts";
import { replaceFile } from "../files/replace-file.ts";
import { isJsonObject } from "./network-config.ts";
import type { DelegateConfig } from "./plan-delegate.ts";
import { CNI_NAME } from "./plugin-request.ts";
import type { Attachment } from "./plugin-request.ts";

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
export async function noteBegin(files: StateFiles, delegate: DelegateConfig): Promise<void> {
  await replaceFile(files.unfinished, `${JSON.stringify(delegate)}\n`, MODES);
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
export async function readState(path: string): Promise<DelegateConfig | "damaged" | null> {
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

function parseState(text: string): DelegateConfig | null {
  try {
    const value: unknown = JSON.parse(text);
    const isUsable = isJsonObject(value) && typeof value.type === "string" && CNI_NAME.test(value.type);
    return isUsable ? (value as DelegateConfig) : null;
  } catch {
    return null;
  }
}
