/**
 * The pods of this host on disk: a directory for each, with its record and what its command prints. Not removed by a
 * restart of the container they are in, so what it finds there may be of processes that are gone.
 */
import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileError, hasErrorCode } from "../files/file-error.ts";
import { replaceFile } from "../files/replace-file.ts";
import { isContainerId, newContainerId, oldContainerId } from "./container-id.ts";
import { markScope } from "./netns-mark.ts";
import { isPodName } from "./pod-name.ts";
import { formatPodRecord, parsePodRecord, salvagePodRecord } from "./pod-record.ts";
import type { PodRecord, PodTraces } from "./pod-record.ts";

/** Where pods are written down. */
export const DEFAULT_PODS_DIRECTORY = "/run/twill-pods";

const DIRECTORY_MODE = 0o700;
const FILE_MODES = { fileMode: 0o600, keepsFileMode: false, directoryMode: DIRECTORY_MODE } as const;

/** A pod as it is on disk. */
export interface StoredPod {
  readonly name: string;
  /** Null when what is written down is damaged. */
  readonly record: PodRecord | null;
  /** What of it is known all the same. */
  readonly traces: PodTraces;
  /** Path of the record. */
  readonly recordFile: string;
}

/** The pods below one directory. */
export class PodStore {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Held by a command that makes or removes a pod. */
  get lockFile(): string {
    return join(this.directory, ".lock");
  }

  /** What the pod's command prints. */
  logFile(name: string): string {
    return join(this.directory, name, "log");
  }

  /** Makes the directory of all pods. @throws {OverlayError} `ERR_FILE_FAILED` */
  async prepare(): Promise<void> {
    await this.#makeDirectory(this.directory);
  }

  /** Makes the directory of a pod to be made, with its id. @throws {OverlayError} `ERR_FILE_FAILED` */
  async prepareFor(name: string): Promise<void> {
    await this.#makeDirectory(join(this.directory, name));
    await replaceFile(this.#containerIdFile(name), `${newContainerId(name)}\n`, FILE_MODES);
  }

  /** What plugins know the pod by. Beside its record: what was attached can be detached when that is damaged. */
  async containerId(name: string): Promise<string> {
    const text = await readFile(this.#containerIdFile(name), "utf8").catch(() => "");
    return isContainerId(text.trimEnd()) ? text.trimEnd() : oldContainerId(name);
  }

  /** The pod, or null when there is none of this name. @throws {OverlayError} `ERR_FILE_FAILED` */
  async read(name: string): Promise<StoredPod | null> {
    const recordFile = this.#recordFile(name);
    const text = await readFile(recordFile, "utf8").catch((err: unknown) => {
      if (hasErrorCode(err, "ENOENT")) return null;
      if (hasErrorCode(err, "ENOTDIR") || hasErrorCode(err, "EISDIR")) return ""; // damaged, too
      throw fileError(`Cannot read the record of pod ${name}`, recordFile, err, "--pods-dir");
    });
    if (text === null) return null;
    const record = parsePodRecord(text, name);
    return { name, record, traces: record ?? salvagePodRecord(text, name), recordFile };
  }

  /** What the marks of this pod begin with, or null when it has no directory. */
  async markScope(name: string): Promise<string | null> {
    return await markScope(name, join(this.directory, name));
  }

  /** @throws {OverlayError} `ERR_FILE_FAILED` */
  async write(record: PodRecord): Promise<void> {
    await replaceFile(this.#recordFile(record.name), formatPodRecord(record), FILE_MODES);
  }

  /** Forgets a pod. What is gone already is no error. */
  async remove(name: string): Promise<void> {
    // The record first, what a kill leaves is then no pod. What stands in its place when it is damaged goes with the rest.
    await rm(this.#recordFile(name), { force: true }).catch(() => undefined);
    await rm(join(this.directory, name), { recursive: true, force: true });
  }

  /** Every pod, by name. @throws {OverlayError} `ERR_FILE_FAILED` */
  async list(): Promise<StoredPod[]> {
    const entries = await readdir(this.directory).catch((err: unknown) => {
      if (hasErrorCode(err, "ENOENT")) return [];
      throw fileError("Cannot list the pods", this.directory, err, "--pods-dir");
    });
    const pods = await Promise.all(
      entries
        .filter(isPodName)
        .sort()
        .map((name) => this.read(name)),
    );
    return pods.filter((pod) => pod !== null);
  }

  #recordFile(name: string): string {
    return join(this.directory, name, "pod.json");
  }

  #containerIdFile(name: string): string {
    return join(this.directory, name, "container-id");
  }

  async #makeDirectory(path: string): Promise<void> {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE }).catch((err: unknown) => {
      throw fileError(`Cannot make ${path}`, path, err, "--pods-dir");
    });
  }
}
