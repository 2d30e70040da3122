/** The one etcd of a lab: a real server in the underlay's namespace, and its faults. */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { OverlayError } from "../net/overlay-error.ts";
import { eventually } from "./eventually.ts";
import { LabProcess } from "./machine/lab-process.ts";
import type { Namespace } from "./machine/namespace.ts";
import { commandFailed } from "./machine/run-command.ts";
import { ROUTER_IP } from "./record/address-plan.ts";
import type { LabJournal } from "./record/lab-journal.ts";

/** flannel's default prefix, and so the agent's. */
export const ETCD_PREFIX = "/coreos.com/network";

const CLIENT_PORT = 2379;
const PEER_URL = "http://127.0.0.1:2380";
const START_TIMEOUT_MS = 15_000;
/** etcd ends within a second; on a slow disk it syncs first. */
const STOP_TIMEOUT_MS = 10_000;
/** One member elects itself: no need to wait a whole second, etcd's default, for others. */
const ELECTION_TIMEOUT_MS = 200;
const HEARTBEAT_MS = 20;

/** A single etcd, reached by the hosts over the underlay. */
export class LabEtcd {
  /** Where the hosts reach it. Only the lab's namespaces do. */
  readonly url = `http://${ROUTER_IP.toString()}:${CLIENT_PORT}`;
  readonly dataDirectory: string;
  readonly logFile: string;
  readonly #namespace: Namespace;
  readonly #journal: LabJournal;
  #process: LabProcess | null;
  #clusterToken = randomUUID();

  constructor(namespace: Namespace, journal: LabJournal) {
    this.#namespace = namespace;
    this.#journal = journal;
    this.dataDirectory = join(journal.directory, "etcd");
    this.logFile = join(journal.directory, "etcd.log");
    this.#process = journal.record.etcd === null ? null : LabProcess.adopt(journal.record.etcd);
  }

  /** The server that was started last, or null before the first. */
  get process(): LabProcess | null {
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process?.isRunning ?? false;
  }

  /** Starts etcd on the data that is there and waits until it answers. @throws {OverlayError} `ERR_LAB_FAILED` */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.isRunning) throw new OverlayError("ERR_LAB_FAILED", "Cannot start etcd: it runs already");
    const started = await LabProcess.start({
      namespace: this.#namespace,
      argv: this.#commandLine(),
      logFile: this.logFile,
    });
    this.#process = started;
    await this.#journal.update((record) => ({ ...record, etcd: started.identity }));
    await eventually(async () => (await this.#etcdctl(["endpoint", "health"])).code === 0, {
      what: `reach etcd (its log is ${this.logFile})`,
      timeoutMs: START_TIMEOUT_MS,
      signal,
      giveUp: () =>
        started.isRunning
          ? null
          : new OverlayError("ERR_LAB_FAILED", `Cannot start etcd: it has ended, see ${this.logFile}`),
    });
  }

  /** Runs etcdctl; resolves with what it printed. @throws {OverlayError} `ERR_LAB_FAILED` when it fails */
  async etcdctl(args: readonly string[]): Promise<string> {
    const result = await this.#etcdctl(args);
    if (result.code !== 0) throw commandFailed(["etcdctl", ...args], result);
    return result.stdout;
  }

  /** Writes the network config, under flannel's key. */
  async putConfig(config: object | string): Promise<void> {
    const value = typeof config === "string" ? config : JSON.stringify(config);
    await this.etcdctl(["put", `${ETCD_PREFIX}/config`, "--", value]);
  }

  /** The lease table as stored: value by subnet, as in `10.244.7.0-24`. */
  async leases(): Promise<Map<string, string>> {
    const prefix = `${ETCD_PREFIX}/subnets/`;
    const lines = (await this.etcdctl(["get", "--prefix", prefix])).split("\n");
    const leases = new Map<string, string>();
    for (let i = 0; i + 1 < lines.length; i += 2) {
      leases.set((lines[i] ?? "").slice(prefix.length), lines[i + 1] ?? "");
    }
    return leases;
  }

  /** Current revision, in decimal: it may pass 2^53. */
  async revision(): Promise<string> {
    const fields = await this.etcdctl(["endpoint", "status", "--write-out=fields"]);
    const revision = /"Revision" : ([0-9]+)/.exec(fields)?.[1];
    if (revision === undefined)
      throw new OverlayError("ERR_LAB_FAILED", "Cannot read etcd's revision: none in its status");
    return revision;
  }

  /** Forgets the history before the current revision; resolves with that. */
  async compact(): Promise<string> {
    const revision = await this.revision();
    await this.etcdctl(["compact", revision, "--physical"]);
    return revision;
  }

  /** Ends etcd in order. */
  async stop(): Promise<void> {
    await this.#process?.stop(STOP_TIMEOUT_MS);
  }

  /** Ends etcd at once; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.waitGone();
  }

  /** Freezes etcd: connections stand, nothing answers. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  /** Lets a paused etcd go on. */
  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Replaces all data by none, as a new cluster with another id, and starts it. `/config` is gone too. */
  async wipe(): Promise<void> {
    await this.kill();
    await rm(this.dataDirectory, { recursive: true, force: true });
    this.#clusterToken = randomUUID();
    await this.start();
  }

  /** Lets this program end while etcd goes on. */
  release(): void {
    this.#process?.release();
  }

  async #etcdctl(args: readonly string[]): ReturnType<Namespace["exec"]> {
    return await this.#namespace.exec(["etcdctl", `--endpoints=${this.url}`, ...args]);
  }

  #commandLine(): string[] {
    return [
      "etcd",
      "--name=lab",
      `--data-dir=${this.dataDirectory}`,
      `--listen-client-urls=${this.url}`,
      `--advertise-client-urls=${this.url}`,
      `--listen-peer-urls=${PEER_URL}`,
      `--initial-advertise-peer-urls=${PEER_URL}`,
      `--initial-cluster=lab=${PEER_URL}`,
      `--initial-cluster-token=${this.#clusterToken}`,
      `--heartbeat-interval=${HEARTBEAT_MS}`,
      `--election-timeout=${ELECTION_TIMEOUT_MS}`,
      "--logger=zap",
      "--log-level=warn",
    ];
  }
}
