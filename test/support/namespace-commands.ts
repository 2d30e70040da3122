/** `ip` and `bridge` as they act in a namespace of a test, counting what they are asked. */
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { BatchCommand } from "../../src/kernel/ip-batch.ts";
import { createBridgeCommand } from "../../src/kernel/bridge-command.ts";
import { createIpCommand } from "../../src/kernel/ip-command.ts";
import type { IpCommand, IpCommandOptions } from "../../src/kernel/ip-command.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

const DEADLINE_MS = 5_000;

/** Real programs, run in the namespace. */
export class NamespaceCommands implements AsyncDisposable {
  readonly ip: IpCommand;
  readonly bridge: IpCommand;
  /** Every batch that was not empty, after the name of its program. */
  readonly writes: [program: string, commands: readonly BatchCommand[]][] = [];
  /** Number of calls of `read`. */
  reads = 0;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.ip = this.#recorded("ip", createIpCommand);
    this.bridge = this.#recorded("bridge", createBridgeCommand);
  }

  static async create(namespace: NetworkNamespace): Promise<NamespaceCommands> {
    const directory = await mkdtemp(join(tmpdir(), "twill-namespace-"));
    for (const program of ["ip", "bridge"]) {
      const [enter, args] = namespace.command([program]);
      const script = join(directory, program);
      await writeFile(script, `#!/bin/sh\nexec ${[enter, ...args].join(" ")} "$@"\n`);
      await chmod(script, 0o755);
    }
    return new NamespaceCommands(directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }

  #recorded(name: string, create: (options: IpCommandOptions) => IpCommand): IpCommand {
    const program = join(this.#directory, name);
    const command = create({ program, deadlineMs: DEADLINE_MS });
    return {
      ...command,
      read: async (args, signal) => {
        this.reads++;
        return await command.read(args, signal);
      },
      apply: async (commands, signal) => {
        if (commands.length > 0) this.writes.push([basename(program), commands]);
        await command.apply(commands, signal);
      },
    };
  }
}
