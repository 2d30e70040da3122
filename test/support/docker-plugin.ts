/** `twill docker-plugin` as a real process in a namespace, asked over its socket as Docker asks it. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { formatSubnetFile } from "../../src/files/subnet-file.ts";
import { eventually } from "./eventually.ts";
import { prefixOf } from "./ipv4.ts";

const PROGRAM = resolve(import.meta.dirname, "../../src/cli/main.mjs");
const START_TIMEOUT_MS = 20_000;
/** Of Debian's package systemd; it needs no running systemd. */
const SOCKET_HOLDER = "systemd-socket-activate";
/** Of the kernel, for the name of a process. */
const MAX_PROGRAM_NAME = 15;

/** Anything that runs programs in a network namespace. */
export interface Place {
  /** The argument array that runs `argv` there, in one piece or after the program. */
  command(argv: readonly string[]): readonly (string | readonly string[])[];
}

/** What an answer of the plugin is. */
export interface PluginAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Sends one request and resolves with the answer, whatever it is. */
export async function askPlugin(socketPath: string, path: string, text: string): Promise<PluginAnswer> {
  return await new Promise<PluginAnswer>((done, fail) => {
    const call = request({ socketPath, path, method: "POST" }, (response) => {
      let answer = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (answer += chunk));
      response.on("error", fail).on("end", () => {
        done({ status: response.statusCode ?? 0, body: JSON.parse(answer) as PluginAnswer["body"] });
      });
    });
    call.on("error", fail).end(text);
  });
}

/** The plugin's files, and the process that was started last. `await using` it. */
export class PluginHost implements AsyncDisposable {
  readonly directory: string;
  readonly socket: string;
  readonly stateDir: string;
  readonly #place: Place;
  readonly #subnetFile: string;
  #child: ChildProcess | null = null;
  #output = "";
  #lastAnswerMs = NaN;

  private constructor(place: Place, directory: string, subnetFile: string | null, socket: string | null) {
    this.#place = place;
    this.directory = directory;
    this.socket = socket ?? join(directory, "plugins", "twill.sock");
    this.stateDir = join(directory, "state");
    this.#subnetFile = subnetFile ?? join(directory, "subnet.env");
  }

  /**
   * @param subnetFile an agent's; null: what {@link setLease} writes
   * @param socket where an engine looks for it; null: in a directory of its own
   */
  static async create(
    place: Place,
    subnetFile: string | null = null,
    socket: string | null = null,
  ): Promise<PluginHost> {
    return new PluginHost(place, await mkdtemp(join(tmpdir(), "twill-plugin-")), subnetFile, socket);
  }

  /** Writes the subnet file as an agent with this lease; null: there is none. */
  async setLease(subnet: string | null, overlayMtu = 1472): Promise<void> {
    if (subnet === null) {
      await rm(this.#subnetFile, { force: true });
      return;
    }
    const network = prefixOf("10.244.0.0/16");
    const content = { network, subnet: prefixOf(subnet), overlayMtu, ipMasq: false };
    await writeFile(this.#subnetFile, formatSubnetFile(content));
  }

  /** Starts the process and waits until it answers. */
  async start(flags: readonly string[] = []): Promise<void> {
    this.launch(flags);
    await this.waitReady();
  }

  /** Starts the process, behind the words of `wrapper`, and waits for nothing. */
  launch(flags: readonly string[] = [], wrapper: readonly string[] = []): void {
    const argv = [
      ...wrapper,
      ...[process.execPath, PROGRAM, "docker-plugin", `--socket=${this.socket}`],
      ...[`--state-dir=${this.stateDir}`, `--subnet-file=${this.#subnetFile}`],
      ...["--docker-socket=", "--log-level=debug", ...flags],
    ];
    const [program = "", ...args] = this.#place.command(argv).flat();
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
  }

  /**
   * Has the socket held as systemd holds that of `twill-docker.socket`: the process that does becomes the plugin when somebody
   * connects for the first time. Resolves when it listens.
   */
  async holdSocket(flags: readonly string[] = []): Promise<void> {
    await mkdir(dirname(this.socket), { recursive: true });
    const printedBefore = this.#output.length;
    this.launch(flags, [SOCKET_HOLDER, `--listen=${this.socket}`]);
    await eventually(() => this.#output.includes(`Listening on ${this.socket}`, printedBefore), {
      timeoutMs: START_TIMEOUT_MS,
    });
  }

  /** Whether nobody has connected yet to the socket that is held. */
  get isHeld(): boolean {
    const program = readFileSync(`/proc/${this.pid}/comm`, "utf8").trim();
    return program === SOCKET_HOLDER.slice(0, MAX_PROGRAM_NAME);
  }

  /** Runs `twill docker-plugin` with these flags to its end; resolves with what it prints. */
  async run(flags: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
    const files = [`--socket=${this.socket}`, `--state-dir=${this.stateDir}`, "--docker-socket="];
    const child = spawn(process.execPath, [PROGRAM, "docker-plugin", ...files, ...flags]);
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, output };
  }

  async waitReady(): Promise<void> {
    const child = this.#child;
    await eventually(
      async () => {
        if (child?.exitCode !== null) throw new Error(`The plugin has ended: ${this.#output}`);
        await this.ask("Plugin.Activate", {});
      },
      { timeoutMs: START_TIMEOUT_MS },
    );
  }

  /** What the process has printed, all runs together. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child?.pid ?? NaN;
  }

  /** Time from the last request that was answered to its answer. */
  get lastAnswerMs(): number {
    return this.#lastAnswerMs;
  }

  /** The answer's members. @throws {Error} with the sentence, when there is one */
  async ask(method: string, body: object): Promise<PluginAnswer["body"]> {
    const sentMs = performance.now();
    const answer = await askPlugin(this.socket, `/${method}`, JSON.stringify(body));
    this.#lastAnswerMs = performance.now() - sentMs;
    const sentence = answer.body.Err ?? answer.body.Error;
    if (typeof sentence === "string") throw new Error(sentence);
    return answer.body;
  }

  /** Ends the process; resolves with its exit code or the signal. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (child === null) return null;
    this.#child = null;
    if (child.exitCode === null && child.signalCode === null) {
      const closed = once(child, "close"); // what it printed is read to its end
      child.kill(signal);
      await closed;
    }
    return child.exitCode ?? child.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    await rm(this.directory, { recursive: true, force: true });
  }
}
