/** A process in another network namespace that opens TUNs and moves packets as it is told over IPC. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { NetworkNamespace } from "./network-namespace.ts";
import type { TunOperations } from "./tun-process-main.ts";

const MAIN = join(import.meta.dirname, "tun-process-main.ts");

export interface TunProcessOptions {
  /** Program and arguments before node's, in the namespace. */
  readonly commandPrefix?: readonly string[];
}

/** What the process answers to a request. */
export type TunReply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** A failure in the other process, with the code and message it had there. */
export class RemoteError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export class TunProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(namespace: NetworkNamespace, options: TunProcessOptions = {}): Promise<TunProcess> {
    const [program, args] = namespace.command([...(options.commandPrefix ?? []), process.execPath, MAIN]);
    const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    await once(child, "message"); // it says that it is ready
    return new TunProcess(child);
  }

  /** Runs one operation there; one at a time. */
  async call<Name extends keyof TunOperations>(
    name: Name,
    ...args: Parameters<TunOperations[Name]>
  ): Promise<Awaited<ReturnType<TunOperations[Name]>>> {
    this.#child.send({ name, args });
    const [reply] = (await once(this.#child, "message")) as [TunReply];
    if (!reply.ok) throw new RemoteError(reply.code, reply.message);
    return reply.value as Awaited<ReturnType<TunOperations[Name]>>;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
