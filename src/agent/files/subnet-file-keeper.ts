import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import { FailureLog } from "../../subnet-lease/failure-log.ts";
import { Bell } from "../../process/bell.ts";
import { replaceFile } from "../../files/replace-file.ts";
import type { FileModes } from "../../files/replace-file.ts";
import { reasonOf } from "../../net/reason-of.ts";

/** A disk that is full or read-only is looked at again this often. */
export const WRITE_RETRY_MS = 10_000;
/** There is nothing to do until somebody rings: the longest sleep. */
const UNTIL_RUNG_MS = 24 * 3_600_000;
/** As flannel's: everyone may read it. */
const MODES: FileModes = { fileMode: 0o644, keepsFileMode: true, directoryMode: 0o755 };

/** What stands in the way of readiness until the file is there. */
export const NOT_WRITTEN_YET = "The subnet file is not written yet";

export interface SubnetFileKeeperDeps {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hears why the file could not be written, or null when it is as it should be. */
  readonly onOutcome: (problem: string | null) => void;
}

/** Brings the newest text to the subnet file, however often that fails; forwarding does not wait for it. */
export class SubnetFileKeeper {
  readonly #deps: SubnetFileKeeperDeps;
  readonly #bell = new Bell();
  readonly #failures: FailureLog;
  #wanted: string | null = null;
  #written: string | null = null;

  constructor(deps: SubnetFileKeeperDeps) {
    this.#deps = deps;
    this.#failures = new FailureLog(deps.clock);
  }

  /** The file's text from now on. */
  want(text: string): void {
    if (text === this.#wanted) return;
    this.#wanted = text;
    this.#deps.onOutcome(NOT_WRITTEN_YET);
    this.#bell.ring();
  }

  /** Writes until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isDone = await this.#write();
      const waitMs = isDone ? UNTIL_RUNG_MS : WRITE_RETRY_MS;
      await this.#bell.wait(waitMs, this.#deps.clock, signal).catch(() => undefined); // the loop looks at the signal
    }
  }

  async #write(): Promise<boolean> {
    const { path, log, onOutcome } = this.#deps;
    const text = this.#wanted;
    if (text === null) return true;
    if (text === this.#written) {
      this.#failures.clear();
      onOutcome(null); // another text was wanted meanwhile
      return true;
    }
    try {
      await replaceFile(path, text, MODES);
    } catch (err) {
      const problem = reasonOf(err);
      if (this.#failures.isNews(problem)) log.error({ err }, "Cannot write the subnet file, will retry");
      onOutcome(`The subnet file cannot be written: ${problem}`);
      return false;
    }
    this.#written = text;
    this.#failures.clear();
    log.info({ path }, "Subnet file written");
    onOutcome(null);
    return true;
  }
}
