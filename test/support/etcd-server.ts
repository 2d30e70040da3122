/**
 * A real etcd on a free port of the loopback address, in a directory of its own, for contract tests. The
 * server is found in PATH.
 */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";

const runProgram = promisify(execFile);
const START_TIMEOUT_MS = 15_000; // about 0.4 s alone; fsync on a busy machine takes the rest
const OUTPUT_KEPT_BYTES = 4_000;

export interface EtcdServerOptions {
  /** Program and arguments to run etcd and etcdctl under, such as `["ip", "netns", "exec", "h1"]`. */
  readonly commandPrefix?: readonly string[];
  /** Address that clients connect to. */
  readonly listenIp?: string;
  /** Ports that are free there; without them they are picked on the loopback address. */
  readonly ports?: { readonly client: number; readonly peer: number };
  /** Clients must speak TLS and, with `mustHaveCertificate`, show a certificate of the same CA. */
  readonly tls?: EtcdTls;
  readonly extraArguments?: readonly string[];
}

/** Paths of PEM files. */
export interface EtcdTls {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly mustHaveCertificate: boolean;
}

export class EtcdServer implements AsyncDisposable {
  /** Endpoint for clients, the same over every restart. */
  readonly url: string;
  readonly #options: EtcdServerOptions;
  readonly #peerUrl: string;
  readonly #directory: string;
  #child: ChildProcess | null = null;
  #output = "";
  #credentials: string | null = null;

  private constructor(options: EtcdServerOptions, url: string, peerUrl: string, directory: string) {
    this.#options = options;
    this.url = url;
    this.#peerUrl = peerUrl;
    this.#directory = directory;
  }

  /** Starts a server with no data; it answers when this resolves. */
  static async start(options: EtcdServerOptions = {}): Promise<EtcdServer> {
    const ip = options.listenIp ?? "127.0.0.1";
    const ports = options.ports ?? { client: await freePort(), peer: await freePort() };
    const directory = await mkdtemp(join(tmpdir(), "twill-etcd-"));
    const server = new EtcdServer(
      options,
      `${options.tls === undefined ? "http" : "https"}://${ip}:${ports.client}`,
      `http://${ip}:${ports.peer}`,
      directory,
    );
    await server.start();
    return server;
  }

  /** Starts the server again on the same port and data. */
  async start(): Promise<void> {
    const child = this.#spawn();
    this.#child = child;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_KEPT_BYTES);
    });
    await eventually(() => this.#assertAnswers(child), { timeoutMs: START_TIMEOUT_MS });
  }

  /** SIGTERM: connections are closed in order. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** SIGSTOP: connections stay open, nothing is answered. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Restarts with no data: another cluster at the same address. */
  async wipe(): Promise<void> {
    await this.kill();
    await rm(this.#dataDirectory, { recursive: true, force: true });
    await this.start();
  }

  /** Runs `etcdctl` against this server and resolves with what it printed. */
  async etcdctl(...args: string[]): Promise<string> {
    const login = this.#credentials === null ? [] : [`--user=${this.#credentials}`];
    const { tls } = this.#options;
    if (tls !== undefined)
      login.push(`--cacert=${tls.caFile}`, `--cert=${tls.certFile}`, `--key=${tls.keyFile}`);
    const [program, ...rest] = this.#command("etcdctl", [`--endpoints=${this.url}`, ...login, ...args]);
    const { stdout } = await runProgram(program, rest, { env: { ...process.env, ETCDCTL_API: "3" } });
    return stdout;
  }

  /** Turns authentication on, with this user as root; `etcdctl` logs in as it from now on. */
  async enableAuth(password: string): Promise<void> {
    await this.etcdctl("user", "add", `root:${password}`);
    await this.etcdctl("user", "grant-role", "root", "root");
    await this.etcdctl("auth", "enable");
    this.#credentials = `root:${password}`;
  }

  /** Makes etcd forget every token that it gave out. */
  async forgetTokens(): Promise<void> {
    await this.etcdctl("auth", "disable");
    await this.etcdctl("auth", "enable");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #dataDirectory(): string {
    return join(this.#directory, "data");
  }

  #spawn(): ChildProcess {
    const [program, ...rest] = this.#command("etcd", [
      ...["--name=test", `--data-dir=${this.#dataDirectory}`, "--logger=zap", "--log-level=warn"],
      ...[`--listen-client-urls=${this.url}`, `--advertise-client-urls=${this.url}`],
      ...[`--listen-peer-urls=${this.#peerUrl}`, `--initial-advertise-peer-urls=${this.#peerUrl}`],
      ...[`--initial-cluster=test=${this.#peerUrl}`, "--unsafe-no-fsync"],
      ...tlsArguments(this.#options.tls),
      ...(this.#options.extraArguments ?? []),
    ]);
    return spawn(program, rest, { stdio: ["ignore", "ignore", "pipe"] });
  }

  async #assertAnswers(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null) throw new Error(`etcd ended with ${child.exitCode}: ${this.#output}`);
    await this.etcdctl("--dial-timeout=300ms", "--command-timeout=500ms", "endpoint", "status");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    if (signal !== "SIGKILL") child.kill("SIGCONT"); // a paused process takes no other signal
    await exited;
  }

  #command(program: string, args: readonly string[]): [string, ...string[]] {
    const [first, ...rest] = [...(this.#options.commandPrefix ?? []), program, ...args];
    return [first ?? program, ...rest];
  }
}

function tlsArguments(tls: EtcdTls | undefined): string[] {
  if (tls === undefined) return [];
  const own = [`--cert-file=${tls.certFile}`, `--key-file=${tls.keyFile}`];
  return tls.mustHaveCertificate ? [...own, `--trusted-ca-file=${tls.caFile}`, "--client-cert-auth"] : own;
}
