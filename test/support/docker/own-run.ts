/** A mount namespace whose /run is a folder of ours: sockets, pid files and plugins in it are none of the machine's. */
import { readFileSync } from "node:fs";
import { eventually } from "../../../src/lab/eventually.ts";
import { LabProcess } from "../../../src/lab/machine/lab-process.ts";
import type { LabProcessOptions } from "../../../src/lab/machine/lab-process.ts";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { KEEP, isKeeper } from "./keeper.ts";

const MOUNT_AND_KEEP = `mount --no-mtab --bind "$1" /run; exec ${KEEP.join(" ")}`;
const MOUNT_TIMEOUT_MS = 10_000;

/** Stays, with all that is mounted in it, while its keeper lives or another process in it. */
export class OwnRun {
  readonly #keeper: LabProcess;

  private constructor(keeper: LabProcess) {
    this.#keeper = keeper;
  }

  /** Makes it with the folder `run`. @throws {OverlayError} `ERR_LAB_FAILED` when it cannot be mounted */
  static async make(run: string, start: Omit<LabProcessOptions, "argv">): Promise<OwnRun> {
    const argv = ["unshare", "--mount", "--", "sh", "-ec", MOUNT_AND_KEEP, "sh", run];
    const keeper = await LabProcess.start({ ...start, argv });
    await eventually(() => Promise.resolve(isKeeper(keeper.pid)), {
      what: `mount ${run}`,
      timeoutMs: MOUNT_TIMEOUT_MS,
      giveUp: () => (keeper.isRunning ? null : cannotMount(run, start.logFile)),
    });
    return new OwnRun(keeper);
  }

  /** The argument array that runs `argv` in here; nsenter becomes it. */
  command(argv: readonly string[]): string[] {
    return ["nsenter", `--mount=/proc/${this.#keeper.pid}/ns/mnt`, "--", ...argv];
  }
}

function cannotMount(run: string, logFile: string): OverlayError {
  const words = readFileSync(logFile, "utf8").trim();
  return new OverlayError("ERR_LAB_FAILED", `Cannot mount ${run} as /run: ${words}`);
}
