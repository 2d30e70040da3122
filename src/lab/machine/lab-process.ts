/** A process that a lab starts and goes on without: etcd, an agent. Its output goes to a file. */
import { closeSync, openSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { OverlayError } from "../../net/overlay-error.ts";
import { eventually } from "../eventually.ts";
import type { Namespace } from "./namespace.ts";
import { identifyProcess, isRunning, signalProcess } from "../../files/process-identity.ts";
import type { ProcessIdentity } from "../../files/process-identity.ts";

/** How a process ended. Both are null when it was started by another process than ours: then nobody told us. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How to start one. */
export interface LabProcessOptions {
  readonly namespace: Namespace;
  readonly argv: readonly string[];
  /** Gets what the process prints, after what is in it already. */
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A killed process is gone long before, unless the kernel holds it, as in a sync of a busy disk. */
const KILL_TIMEOUT_MS = 30_000;
/** How long an end that nobody tells us is looked for in vain: as long as it takes. */
const UNTOLD_END_POLL_MS = 100;

/** A process of a lab, known by pid and start time. */
export class LabProcess {
  readonly identity: ProcessIdentity;
  readonly #child: ChildProcess | null;
  readonly #told: Promise<ProcessEnd> | null;

  private constructor(
    identity: ProcessIdentity,
    child: ChildProcess | null,
    told: Promise<ProcessEnd> | null,
  ) {
    this.identity = identity;
    this.#child = child;
    this.#told = told;
  }

  /** Starts a program in a namespace, in a session of its own. @throws {OverlayError} `ERR_LAB_FAILED` */
  static async start(options: LabProcessOptions): Promise<LabProcess> {
    const log = openSync(options.logFile, "a");
    try {
      const child = options.namespace.start(options.argv, {
        stdio: ["ignore", log, log],
        ...(options.env && { env: options.env }),
      });
      const told = new Promise<ProcessEnd>((resolve) => {
        child.once("exit", (code, signal) => resolve({ code, signal }));
      });
      await new Promise<void>((resolve, reject) => {
        child.once("spawn", resolve);
        child.once("error", (err) =>
          reject(new OverlayError("ERR_LAB_FAILED", `Cannot start ${options.argv[0] ?? ""}: ${err.message}`)),
        );
      });
      const identity = child.pid === undefined ? null : identifyProcess(child.pid);
      if (identity === null)
        throw new OverlayError("ERR_LAB_FAILED", `Cannot start ${options.argv[0] ?? ""}: no pid`);
      return new LabProcess(identity, child, told);
    } finally {
      closeSync(log);
    }
  }

  /** A process that an earlier command started. */
  static adopt(identity: ProcessIdentity): LabProcess {
    return new LabProcess(identity, null, null);
  }

  get pid(): number {
    return this.identity.pid;
  }

  get isRunning(): boolean {
    return isRunning(this.identity);
  }

  /** Resolves when the process has ended, with its exit code or the signal that ended it. */
  get exited(): Promise<ProcessEnd> {
    return this.#told ?? this.#untoldEnd();
  }

  /** Sends a signal; false when the process is gone. */
  kill(signal: NodeJS.Signals): boolean {
    return signalProcess(this.identity, signal);
  }

  /**
   * Ends the process with SIGTERM, and with SIGKILL when it takes longer than `timeoutMs`; resolves with how
   * it ended. One that is stopped (SIGSTOP) is woken, or it could not end.
   */
  async stop(timeoutMs: number): Promise<ProcessEnd> {
    this.kill("SIGTERM");
    this.kill("SIGCONT");
    const isGone = await this.#isGoneWithin(timeoutMs);
    if (!isGone) this.kill("SIGKILL");
    await this.waitGone();
    return await this.exited;
  }

  /** Waits for the end of a process that was told to end. @throws {OverlayError} `ERR_LAB_FAILED` */
  async waitGone(): Promise<void> {
    await waitGone([this.identity]);
  }

  /** Lets this program end while the process goes on. */
  release(): void {
    this.#child?.unref();
  }

  async #isGoneWithin(timeoutMs: number): Promise<boolean> {
    try {
      await eventually(() => Promise.resolve(!this.isRunning), {
        what: `end process ${this.pid}`,
        timeoutMs,
      });
      return true;
    } catch {
      return false;
    }
  }

  async #untoldEnd(): Promise<ProcessEnd> {
    await eventually(() => Promise.resolve(!this.isRunning), {
      what: `see the end of process ${this.pid}`,
      timeoutMs: Infinity,
      pollMs: UNTOLD_END_POLL_MS,
    });
    return { code: null, signal: null };
  }
}

/** Waits until none of these processes runs any more. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function waitGone(identities: readonly ProcessIdentity[]): Promise<void> {
  await eventually(() => Promise.resolve(!identities.some(isRunning)), {
    what: `end process ${identities.map((identity) => identity.pid).join(", ")}`,
    timeoutMs: KILL_TIMEOUT_MS,
  });
}
