/** `twill agent` on a host of a lab, driven as an operator would: flags, signals, its socket, its log. */
import { readFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AgentStatus } from "../../agent/status.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { eventually } from "../eventually.ts";
import { LabProcess } from "../machine/lab-process.ts";
import type { ProcessEnd } from "../machine/lab-process.ts";
import type { Namespace } from "../machine/namespace.ts";
import { MS_PER_TICK, identifyProcess, readProcessStat } from "../../files/process-identity.ts";
import { askAgent } from "./agent-client.ts";
import type { AgentAnswer } from "./agent-client.ts";
import { NODE_FLAGS } from "./node-flags.ts";

/** Where one host's agent keeps its files. */
export interface AgentFiles {
  readonly runDirectory: string;
  readonly stateDirectory: string;
  readonly subnetFile: string;
  readonly logFile: string;
}

/** How to start an agent. */
export interface AgentStart {
  readonly namespace: Namespace;
  readonly files: AgentFiles;
  readonly etcdUrl: string;
  /** After the lab's own flags, so they win. */
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Command that takes `agent` and its flags: another build of twill than this. Default: this one. */
  readonly program?: readonly string[] | undefined;
}

const PROGRAM = fileURLToPath(new URL("../../cli/main.mjs", import.meta.url));
const SOCKET_NAME = "agent.sock";
/** `twill agent` promises to end within 2 s of SIGTERM; the rest is for a busy machine. */
const STOP_TIMEOUT_MS = 5_000;
/** Lines of the log that an error repeats. */
const SHOWN_LINES = 3;
/** Part of each of them, in UTF-16 units: the first line lists every option. */
const SHOWN_LENGTH = 400;
const BYTES_PER_KIB = 1024;

/** Puts an agent's files into `directory`, the host's part of the lab's. */
export function agentFiles(directory: string, subnetFile: string): AgentFiles {
  return {
    runDirectory: join(directory, "run"),
    stateDirectory: join(directory, "state"),
    subnetFile,
    logFile: join(directory, "agent.log"),
  };
}

/** A running agent, or one that has ended. */
export class LabAgent {
  readonly files: AgentFiles;
  readonly process: LabProcess;

  constructor(agentProcess: LabProcess, files: AgentFiles) {
    this.process = agentProcess;
    this.files = files;
  }

  /** Starts an agent; it is not ready yet. */
  static async start(start: AgentStart): Promise<LabAgent> {
    const { files } = start;
    await mkdir(join(files.runDirectory, ".."), { recursive: true });
    const argv = [
      ...(start.program ?? [process.execPath, ...NODE_FLAGS, PROGRAM]),
      "agent",
      `--etcd-endpoints=${start.etcdUrl}`,
      `--subnet-file=${files.subnetFile}`,
      `--run-dir=${files.runDirectory}`,
      `--state-dir=${files.stateDirectory}`,
      ...start.flags,
    ];
    const { namespace, env } = start;
    return new LabAgent(await LabProcess.start({ namespace, argv, env, logFile: files.logFile }), files);
  }

  get pid(): number {
    return this.process.pid;
  }

  get isRunning(): boolean {
    return this.process.isRunning;
  }

  /** Resolves when the agent has ended. */
  get exited(): Promise<ProcessEnd> {
    return this.process.exited;
  }

  /** What the agent says about itself. @throws {OverlayError} `ERR_LAB_FAILED` when it does not answer */
  async status(): Promise<AgentStatus> {
    const answer = await this.ask("/status");
    if (answer.code !== 200) {
      throw new OverlayError(
        "ERR_LAB_FAILED",
        `Cannot read the status of agent ${this.pid}: answer ${answer.code}`,
      );
    }
    return JSON.parse(answer.body) as AgentStatus;
  }

  /** The agent that answers on this host now: this one, or one that was started by hand after it. */
  async current(): Promise<LabAgent> {
    const status = await this.status().catch(() => null);
    const identity = status === null || status.pid === this.pid ? null : identifyProcess(status.pid);
    return identity === null ? this : new LabAgent(LabProcess.adopt(identity), this.files);
  }

  /** Answer of `/readyz`: 200, or 503 with a reason. */
  async readyz(): Promise<AgentAnswer> {
    return await this.ask("/readyz");
  }

  /** Answer of any path of the agent's socket. */
  async ask(path: string): Promise<AgentAnswer> {
    return await askAgent(join(this.files.runDirectory, SOCKET_NAME), path);
  }

  /** Waits until `/readyz` says 200. @throws {OverlayError} `ERR_LAB_FAILED` with the end of the log */
  async waitReady(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    await this.#eventually("see the agent ready", timeoutMs, signal, async () => {
      const { code, reason } = await this.readyz();
      if (code !== 200) throw new Error(reason ?? `answer ${code}`);
      return true;
    });
  }

  /** Waits until the agent forwards to exactly `count` peers. @throws {OverlayError} `ERR_LAB_FAILED` with the end of the log */
  async waitForPeers(count: number, timeoutMs: number, signal?: AbortSignal): Promise<AgentStatus> {
    return await this.#eventually(`see ${count} peers`, timeoutMs, signal, async () => {
      const status = await this.status();
      if (status.peers.length !== count) throw new Error(`it has ${status.peers.length}`);
      return status;
    });
  }

  /** Sends a signal to the agent; false when it is gone. */
  kill(signal: NodeJS.Signals): boolean {
    return this.process.kill(signal);
  }

  /** Ends the agent with SIGTERM; resolves with how it ended (`SIGKILL` when it did not in 5 s). */
  async stop(): Promise<ProcessEnd> {
    return await this.process.stop(STOP_TIMEOUT_MS);
  }

  /** Every line of the host's log, earlier agents' included. */
  async logLines(): Promise<string[]> {
    const text = await readFile(this.files.logFile, "utf8");
    return text.split("\n").filter((line) => line !== "");
  }

  /** Time the agent has spent on a CPU, user and system; null when it is gone. */
  cpuMs(): number | null {
    const stat = readProcessStat(this.pid);
    return stat === null || !this.isRunning ? null : stat.cpuTicks * MS_PER_TICK;
  }

  /** Memory the agent holds (VmRSS of proc_pid_status(5)); null when it is gone. */
  residentBytes(): number | null {
    if (!this.isRunning) return null;
    const kib = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Number(kib) * BYTES_PER_KIB;
  }

  async #eventually<T>(
    what: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    check: () => Promise<T | false>,
  ): Promise<T> {
    try {
      return await eventually(check, { what, timeoutMs, signal, giveUp: () => this.#endedError(what) });
    } catch (err) {
      if (!(err instanceof OverlayError)) throw err;
      throw new OverlayError(err.code, `${err.message}${await this.#lastWords()}`, {}, { cause: err });
    }
  }

  #endedError(what: string): OverlayError | null {
    return this.isRunning
      ? null
      : new OverlayError("ERR_LAB_FAILED", `Cannot ${what}: agent ${this.pid} has ended`);
  }

  async #lastWords(): Promise<string> {
    const lines = await this.logLines().catch(() => []);
    return `; its log ends with\n${lines
      .slice(-SHOWN_LINES)
      .map((line) => line.slice(0, SHOWN_LENGTH))
      .join("\n")}`;
  }
}
