/**
 * A real Docker engine in the network namespace of a lab's host: a machine with Docker, as far as packets go.
 *
 * It has a /run of its own, so sockets, pid files and plugins are none of the machine's, and what it mounts goes with its
 * last process. Images, containers and its log lie in one folder. The firewall it writes is the host's.
 */
import { readFileSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { askAgent } from "../../../src/lab/host/agent-client.ts";
import { eventually } from "../../../src/lab/eventually.ts";
import { LabProcess, waitGone } from "../../../src/lab/machine/lab-process.ts";
import type { Namespace } from "../../../src/lab/machine/namespace.ts";
import { identifyProcess } from "../../../src/files/process-identity.ts";
import { runChecked } from "../../../src/lab/machine/run-command.ts";
import type { RunOptions } from "../../../src/lab/machine/run-command.ts";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { BUSYBOX_CHANGES, BUSYBOX_IMAGE, packBusybox } from "./busybox-image.ts";
import { EngineContainer } from "./engine-container.ts";
import type { ContainerOptions } from "./engine-container.ts";
import { ENGINE_VARIABLE, cgroupParent, engineDirectory, engineName } from "./engine-name.ts";
import { OwnRun } from "./own-run.ts";
import { removeEngine, sweepEngines } from "./remove-engine.ts";

/** About 2 s with its own containerd; the rest is for a busy machine. */
const START_TIMEOUT_MS = 60_000;
/** Without live-restore dockerd gives each container 10 s to end. */
const STOP_TIMEOUT_MS = 30_000;
const PING_TIMEOUT_MS = 1_000;
/** Some seconds for 250 MB; the rest is for a busy disk. */
const LOAD_TIMEOUT_MS = 120_000;
/** Part of the log that an error repeats, in UTF-16 units. */
const SHOWN_LOG = 1_500;

/** An engine that ends with the test (`await using`), or, if the test's process is killed, before the next engine. */
export class DockerEngine implements AsyncDisposable {
  readonly name: string;
  /** Where dockerd looks for plugins' sockets: its /run/docker/plugins, seen from outside. */
  readonly pluginDirectory: string;
  readonly socket: string;
  readonly logFile: string;
  /** Where its bridges, routes and firewall rules are. */
  readonly namespace: Namespace;
  readonly #flags: readonly string[];
  #ownRun: OwnRun | null = null;
  #daemon: LabProcess | null = null;

  private constructor(name: string, namespace: Namespace, flags: readonly string[]) {
    const run = join(engineDirectory(name), "run");
    this.name = name;
    this.pluginDirectory = join(run, "docker/plugins");
    this.socket = join(run, "docker.sock");
    this.logFile = join(engineDirectory(name), "dockerd.log");
    this.namespace = namespace;
    this.#flags = flags;
  }

  /**
   * Starts dockerd with these flags in a namespace, waits until it answers, and gives it {@link BUSYBOX_IMAGE}. Sweeps
   * first what killed tests have left. @throws {OverlayError} `ERR_LAB_FAILED` with the end of its log
   */
  static async start(namespace: Namespace, flags: readonly string[] = []): Promise<DockerEngine> {
    const maker = identifyProcess(process.pid);
    if (maker === null) throw new OverlayError("ERR_LAB_FAILED", "Cannot start an engine: no /proc here");
    await sweepEngines();
    const engine = new DockerEngine(engineName(maker, namespace.name), namespace, flags);
    await mkdir(engine.pluginDirectory, { recursive: true });
    try {
      await writeFile(engine.#path("daemon.json"), "{}\n"); // instead of the machine's
      await engine.startDaemon();
      await engine.#importBusybox();
      return engine;
    } catch (err) {
      await engine[Symbol.asyncDispose]();
      throw err;
    }
  }

  /** Variables for Docker's clients: which engine, and nothing of what the user has configured. */
  get clientEnvironment(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.socket}`, DOCKER_CONFIG: this.#path("client") };
  }

  /** Starts dockerd on what is there and waits until it answers. @throws {OverlayError} `ERR_LAB_FAILED` */
  async startDaemon(): Promise<void> {
    const start = {
      namespace: this.namespace,
      env: { [ENGINE_VARIABLE]: this.name },
      logFile: this.logFile,
    };
    // One for all daemons: what a container that outlives its dockerd has mounted is the next one's to unmount.
    this.#ownRun ??= await OwnRun.make(this.#path("run"), start);
    const argv = this.#ownRun.command([
      "dockerd",
      `--config-file=${this.#path("daemon.json")}`,
      `--data-root=${this.#path("data")}`,
      "--host=unix:///run/docker.sock",
      "--group=root",
      "--exec-opt=native.cgroupdriver=cgroupfs", // systemd cannot be reached without the machine's /run
      `--cgroup-parent=${cgroupParent(this.name)}`,
      ...this.#flags,
    ]);
    const daemon = await LabProcess.start({ ...start, argv });
    this.#daemon = daemon;
    await eventually(() => this.#answers(), {
      what: `reach dockerd of ${this.name}`,
      timeoutMs: START_TIMEOUT_MS,
      giveUp: () => (daemon.isRunning ? null : this.#ended()),
    });
  }

  /** Ends dockerd and its containerd, and not what outlives them (`--live-restore`); resolves when both are gone. */
  async stopDaemon(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const pidFile = this.#path("run/docker/containerd/containerd.pid");
    const containerd = identifyProcess(Number(await readFile(pidFile, "utf8")));
    if (signal === "SIGKILL") this.#daemon?.kill(signal);
    await this.#daemon?.stop(STOP_TIMEOUT_MS);
    // The kernel kills containerd after dockerd. It may stay a zombie for seconds where init is slow, and the next dockerd
    // would take that for a containerd that runs, and wait for it in vain.
    if (containerd !== null) await waitGone([containerd]);
    await rm(pidFile, { force: true });
  }

  /** Runs `docker` with this engine; resolves with what it printed. @throws {OverlayError} `ERR_LAB_FAILED` when it fails */
  async docker(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return await runChecked(["docker", ...args], {
      ...options,
      env: { ...options.env, ...this.clientEnvironment },
    });
  }

  /** Reads an image that `docker save` wrote. */
  async loadImage(archive: string): Promise<void> {
    await this.docker(["load", "--input", archive], { timeoutMs: LOAD_TIMEOUT_MS });
  }

  /** Starts a container; unless its options have another command, it serves {@link WEB_DIRECTORY} when this resolves. */
  async run(name: string, options: ContainerOptions = {}): Promise<EngineContainer> {
    return await EngineContainer.run(this, this.namespace, name, options);
  }

  /** Kills it with its containers and removes all that is its own. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeEngine(this.name);
  }

  #path(name: string): string {
    return join(engineDirectory(this.name), name);
  }

  async #answers(): Promise<boolean> {
    return (await askAgent(this.socket, "/_ping", PING_TIMEOUT_MS)).code === 200;
  }

  async #importBusybox(): Promise<void> {
    const archive = await packBusybox(this.#path("image"));
    const changes = BUSYBOX_CHANGES.flatMap((change) => ["--change", change]);
    await this.docker(["import", ...changes, archive, BUSYBOX_IMAGE]);
  }

  #ended(): OverlayError {
    const words = readFileSync(this.logFile, "utf8").trim().slice(-SHOWN_LOG);
    return new OverlayError(
      "ERR_LAB_FAILED",
      `Cannot start dockerd of ${this.name}: it has ended; its log ends with\n${words}`,
    );
  }
}
