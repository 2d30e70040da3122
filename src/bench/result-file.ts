/** The JSON file of a benchmark, opened before the first run: a place that cannot be written costs no minutes. */
import { mkdir, open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { OverlayError } from "../net/overlay-error.ts";
import type { ErrorCode } from "../net/overlay-error.ts";
import { reasonOf } from "../net/reason-of.ts";
import type { BenchResult } from "./bench-result.ts";

export class ResultFile {
  readonly #path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Makes the directory and the file; what an earlier run left there stays for now. @throws {OverlayError} `ERR_OPTION_INVALID` */
  static async open(path: string): Promise<ResultFile> {
    try {
      await mkdir(dirname(path), { recursive: true });
      return new ResultFile(path, await open(path, "a"));
    } catch (err) {
      throw cannotWrite("ERR_OPTION_INVALID", path, err);
    }
  }

  /** Writes the result over what was there. @throws {OverlayError} `ERR_LAB_FAILED` */
  async write(result: BenchResult): Promise<void> {
    try {
      if (await this.#isRegular()) await this.#handle.truncate();
      await this.#handle.writeFile(`${JSON.stringify(result, null, 2)}\n`);
    } catch (err) {
      throw cannotWrite("ERR_LAB_FAILED", this.#path, err);
    }
  }

  /** Closes it; one in which nothing was written goes. */
  async close(): Promise<void> {
    const isEmpty = (await this.#isRegular()) && (await this.#handle.stat()).size === 0;
    await this.#handle.close();
    if (isEmpty) await rm(this.#path, { force: true });
  }

  /** A pipe or a terminal has no length. */
  async #isRegular(): Promise<boolean> {
    return (await this.#handle.stat()).isFile();
  }
}

function cannotWrite(code: ErrorCode, path: string, err: unknown): OverlayError {
  const problem = reasonOf(err);
  return new OverlayError(code, `Cannot write ${path}: ${problem}`, {}, { cause: err });
}
