/** A network namespace without a name: it lives as long as the process that keeps it, which ends with ours. */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";

const run = promisify(execFile);
/** So that the packets in a test are the test's: no router solicitations, no multicast reports. */
const NO_IPV6 = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"];

export class NetworkNamespace implements AsyncDisposable {
  readonly #keeper: ChildProcess;

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper;
  }

  /** Needs root. Its loopback is up and IPv6 is off. */
  static async create(): Promise<NetworkNamespace> {
    const keeper = spawn("unshare", ["--net", "cat"], { stdio: ["pipe", "pipe", "inherit"] });
    keeper.stdin.write("made\n");
    await once(keeper.stdout, "data"); // unshare became cat: the namespace is there
    const namespace = new NetworkNamespace(keeper);
    await namespace.run("sysctl", ["-q", "-w", ...NO_IPV6]);
    await namespace.run("ip", ["link", "set", "lo", "up"]);
    return namespace;
  }

  /** Its file, for programs that enter a namespace by path. */
  get path(): string {
    return `/proc/${this.#keeper.pid ?? 0}/ns/net`;
  }

  /** Of the process that keeps it, as `ip link set netns` takes it. */
  get pid(): number {
    return this.#keeper.pid ?? NaN;
  }

  /** The argument array that runs a program in here; nsenter becomes it, so the pid is the program's. */
  command(argv: readonly string[]): [string, string[]] {
    return ["nsenter", [`--net=${this.path}`, "--", ...argv]];
  }

  /** Runs a program that must succeed; resolves with its output. */
  async run(program: string, args: readonly string[]): Promise<string> {
    return (await run(...this.command([program, ...args]))).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#keeper;
    if (exitCode !== null || signalCode !== null) return; // was done before
    this.#keeper.stdin?.end();
    await once(this.#keeper, "exit");
  }
}
