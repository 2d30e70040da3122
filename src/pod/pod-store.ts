/**
 * The pods of this host on disk: a directory for each, with its record and what its command prints. Not removed by a
 * restart of the container they are in, so what it finds there may be of processes that are gone.
 */
import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileError, hasErrorCode } from "../files/file-error.ts";
import { replaceFile } from "../files/replace-file.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { isPodName } from "./pod-name.ts";
import { formatPodRecord, parsePodRecord } from "./pod-record.ts";
import type { PodRecord } from "./pod-record.ts";

/** Where pods are written down. */
export const DEFAULT_PODS_DIRECTORY = "/run/twill-pods";

const DIRECTORY_MODE = 0o700;
const RECORD_MODES = { fileMode: 0o600, keepsFileMode: false, directoryMode: DIRECTORY_MODE } as const;

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

  /** Makes the directory of a pod. @throws {OverlayError} `ERR_FILE_FAILED` */
  async prepareFor(name: string): Promise<void> {
    await this.#makeDirectory(join(this.directory, name));
  }

  /** The pod's record, or null when there is no such pod. @throws {OverlayError} `ERR_FILE_FAILED` */
  async read(name: string): Promise<PodRecord | null> {
    const path = this.#recordFile(name);
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (err) {
      if (hasErrorCode(err, "ENOENT")) return null;
      throw fileError(`Cannot read the record of pod ${name}`, path, err, "--pods-dir");
    }
    const record = parsePodRecord(text, name);
    if (record !== null) return record;
    throw new OverlayError(
      "ERR_FILE_FAILED",
      `Cannot use ${path}: it is no record of pod ${name}; end its processes by hand and remove the file`,
      { path },
    );
  }

  /** @throws {OverlayError} `ERR_FILE_FAILED` */
  async write(record: PodRecord): Promise<void> {
    await replaceFile(this.#recordFile(record.name), formatPodRecord(record), RECORD_MODES);
  }

  /** Forgets a pod. What is gone already is no error. */
  async remove(name: string): Promise<void> {
    await rm(join(this.directory, name), { recursive: true, force: true });
  }

  /** Every pod, by name. @throws {OverlayError} `ERR_FILE_FAILED` */
  async list(): Promise<PodRecord[]> {
    const entries = await readdir(this.directory).catch((err: unknown) => {
      if (hasErrorCode(err, "ENOENT")) return [];
      throw fileError("Cannot list the pods", this.directory, err, "--pods-dir");
    });
    const records = await Promise.all(
      entries
        .filter(isPodName)
        .sort()
        .map((name) => this.read(name)),
    );
    return records.filter((record) => record !== null);
  }

  #recordFile(name: string): string {
    return join(this.directory, name, "pod.json");
  }

  async #makeDirectory(path: string): Promise<void> {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE }).catch((err: unknown) => {
      throw fileError(`Cannot make ${path}`, path, err, "--pods-dir");
    });
  }
}
