/** `twill docker-names` as a real process on a host of a lab, beside its agent and its engine. */
import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { LabProcess } from "../../../src/lab/machine/lab-process.ts";
import type { ProcessEnd } from "../../../src/lab/machine/lab-process.ts";
import type { Lab, LabHost } from "../lab.ts";

const PROGRAM = resolve(import.meta.dirname, "../../../src/cli/main.mjs");
const STOP_TIMEOUT_MS = 5_000;

export interface NamesProcessOptions {
  readonly dockerSocket: string;
  /** Stand last, so they win. */
  readonly flags?: readonly string[];
  /** Of its log. */
  readonly name?: string;
  /** Command that takes `docker-names` and its flags. */
  readonly program?: readonly string[] | undefined;
}

/** One process; ended with the test (`await using`). */
export class NamesProcess implements AsyncDisposable {
  readonly #process: LabProcess;
  readonly #logFile: string;

  private constructor(process: LabProcess, logFile: string) {
    this.#process = process;
    this.#logFile = logFile;
  }

  /** Starts it. */
  static async start(lab: Lab, host: LabHost, options: NamesProcessOptions): Promise<NamesProcess> {
    const { dockerSocket, flags = [], name = "names", program = [process.execPath, PROGRAM] } = options;
    const logFile = join(dirname(host.files.logFile), `${name}.log`);
    const argv = [
      ...[...program, "docker-names", `--docker-socket=${dockerSocket}`],
      ...[`--etcd-endpoints=${lab.etcd.url}`, `--subnet-file=${host.files.subnetFile}`, "--log-level=debug"],
      ...flags,
    ];
    return new NamesProcess(await LabProcess.start({ namespace: host.namespace, argv, logFile }), logFile);
  }

  /** What it has logged, and what those before it with the same name have. */
  async logLines(): Promise<string[]> {
    const text = await readFile(this.#logFile, "utf8");
    return text.split("\n").filter((line) => line !== "");
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends it with SIGTERM; resolves with how it ended. */
  async stop(): Promise<ProcessEnd> {
    return await this.#process.stop(STOP_TIMEOUT_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.isRunning) await this.stop();
  }
}
