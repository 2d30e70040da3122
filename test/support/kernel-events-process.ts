/** A process in a network namespace that listens to its kernel as it is told over IPC. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { KernelEventsOperations } from "./kernel-events-child.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

const CHILD = join(import.meta.dirname, "kernel-events-child.ts");

export class KernelEventsProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, "exit");
  }

  /** @param commandPrefix program and arguments before node's, in the namespace */
  static async start(
    namespace: NetworkNamespace,
    commandPrefix: readonly string[] = [],
  ): Promise<KernelEventsProcess> {
    const [program, args] = namespace.command([...commandPrefix, process.execPath, CHILD]);
    const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    await once(child, "message"); // it says that it is ready
    return new KernelEventsProcess(child);
  }

  /** Runs one operation there; one at a time. */
  async call<Name extends keyof KernelEventsOperations>(
    name: Name,
    ...args: Parameters<KernelEventsOperations[Name]>
  ): Promise<Awaited<ReturnType<KernelEventsOperations[Name]>>> {
    this.#child.send({ name, args });
    const [reply] = (await once(this.#child, "message")) as [{ value?: unknown; error?: string }];
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply.value as Awaited<ReturnType<KernelEventsOperations[Name]>>;
  }

  /** Leaves it alone; resolves with its exit code, once nothing holds it any more. */
  async release(): Promise<number | null> {
    this.#child.disconnect();
    await this.#exited;
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
