/** A network namespace by its name: what runs in it and what its devices are told. */
import type { ChildProcess } from "node:child_process";
import { TOKEN_VARIABLE } from "../record/lab-record.ts";
import { runChecked, runCommand, startProgram } from "./run-command.ts";
import type { CommandResult, RunOptions, StartOptions } from "./run-command.ts";

/** Where iproute2 keeps named namespaces. */
export const NETNS_DIRECTORY = "/run/netns";

/** A namespace of a lab. Every process started through it carries the lab's token, so the lab finds it again. */
export class Namespace {
  readonly name: string;
  readonly #token: string;

  constructor(name: string, token: string) {
    this.name = name;
    this.#token = token;
  }

  /**
   * The argument array that runs `argv` in here. nsenter replaces itself by the program, so the pid of the
   * one is the pid of the other.
   */
  command(argv: readonly string[]): string[] {
    return ["nsenter", `--net=${NETNS_DIRECTORY}/${this.name}`, "--", ...argv];
  }

  /** Environment that marks a process as the lab's. */
  get environment(): Record<string, string> {
    return { [TOKEN_VARIABLE]: this.#token };
  }

  /** Runs a program to its end, whatever its exit code. */
  async exec(argv: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
    return await runCommand(this.command(argv), this.#marked(options));
  }

  /** Runs a program that must succeed; resolves with its standard output. @throws {OverlayError} `ERR_LAB_FAILED` */
  async execChecked(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    return await runChecked(this.command(argv), this.#marked(options));
  }

  /** Starts a program without waiting for it. */
  start(argv: readonly string[], options: StartOptions): ChildProcess {
    return startProgram(this.command(argv), this.#marked(options));
  }

  /** Runs lines of `ip` as one batch; the first that fails ends it. */
  async ip(lines: readonly string[], signal?: AbortSignal): Promise<void> {
    await runChecked(["ip", "-n", this.name, "-batch", "-"], { stdin: `${lines.join("\n")}\n`, signal });
  }

  /** Sets sysctls, given as `name=value`; those this kernel does not have are left out. */
  async sysctl(settings: readonly string[], signal?: AbortSignal): Promise<void> {
    await this.execChecked(["sysctl", "-q", "-e", "-w", ...settings], { signal });
  }

  #marked<T extends { readonly env?: Readonly<Record<string, string>> }>(options: T): T {
    return { ...options, env: { ...options.env, ...this.environment } };
  }
}

/** Makes namespaces, their loopback up and IPv6 off: router solicitations would only blur what is counted. */
export async function makeNamespaces(namespaces: readonly Namespace[], signal?: AbortSignal): Promise<void> {
  const lines = namespaces.map((namespace) => `netns add ${namespace.name}`);
  await runChecked(["ip", "-batch", "-"], { stdin: `${lines.join("\n")}\n`, signal });
  for (const namespace of namespaces) {
    await namespace.sysctl(
      ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"],
      signal,
    );
    await namespace.ip(["link set lo up"], signal);
  }
}
