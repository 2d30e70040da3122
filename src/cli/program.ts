/** `twill`: finds the command and loads only that one, so an agent starts without the code of the others. */
import { Command, CommanderError } from "commander";
import { OverlayError } from "../net/overlay-error.ts";
import { VERSION } from "./version.ts";

/** Exit statuses of every command; docs/configuration.md has the table. */
export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;

/** A command, made when it is named. */
interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** The command, and `args` (what follows its name) in the form it reads. */
  load(out: NodeJS.WritableStream, args: readonly string[]): Promise<LoadedCommand>;
}

interface LoadedCommand {
  readonly command: Command;
  readonly args: readonly string[];
}

const COMMANDS: readonly CommandEntry[] = [
  {
    name: "agent",
    description: "lease a subnet for this host and carry packets to the others",
    async load(out, args) {
      const { agentArguments, agentCommand } = await import("./agent.ts");
      return { command: agentCommand(out), args: agentArguments(args) };
    },
  },
  {
    name: "status",
    description: "show what the agent on this host does",
    async load(out, args) {
      return { command: (await import("./status.ts")).statusCommand(out), args };
    },
  },
  {
    name: "cleanup",
    description: "remove from this host what a stopped agent left: devices, routes, firewall rules, files",
    async load(out, args) {
      return { command: (await import("./cleanup.ts")).cleanupCommand(out), args };
    },
  },
  {
    name: "docker-opts",
    description: "write options for dockerd that put its bridge on the leased subnet",
    async load(out, args) {
      const command = (await import("./docker-opts.ts")).dockerOptsCommand(out, args);
      return { command, args: args.filter((arg) => arg === "--help") };
    },
  },
  {
    name: "docker-network",
    description: "make a Docker network on the leased subnet",
    async load(out, args) {
      return { command: (await import("./docker-network.ts")).dockerNetworkCommand(out), args };
    },
  },
  {
    name: "docker-plugin",
    description: "serve Docker as network and IPAM driver, with addresses of this host's subnet",
    async load(out, args) {
      return { command: (await import("./docker-plugin.ts")).dockerPluginCommand(out), args };
    },
  },
  {
    name: "docker-names",
    description: "answer for the names of containers on every host, as a DNS server on this host's subnet",
    async load(_out, args) {
      return { command: (await import("./docker-names.ts")).dockerNamesCommand(), args };
    },
  },
  {
    name: "pod",
    description: "run commands on this host's subnet, each in a network namespace of its own",
    async load(out, args) {
      return { command: (await import("./pod.ts")).podCommand(out), args };
    },
  },
  {
    name: "lab",
    description: "try twill on one machine, with hosts that are network namespaces",
    async load(out, args) {
      return { command: (await import("./lab.ts")).labCommand(out), args };
    },
  },
  {
    name: "bench",
    description: "measure what carrying packets costs on this machine, in a lab made for it",
    async load(out, args) {
      return { command: (await import("./bench.ts")).benchCommand(out), args };
    },
  },
];

/**
 * Runs the command that `args` name and resolves with the exit status. Errors that were foreseen become one
 * line on `err`.
 */
export async function runProgram(
  args: readonly string[],
  out: NodeJS.WritableStream,
  err: NodeJS.WritableStream,
): Promise<number> {
  const [wanted, ...rest] = args;
  try {
    const entry = COMMANDS.find((one) => one.name === wanted);
    const loaded = await entry?.load(out, rest);
    const program = buildProgram(out, err, loaded?.command);
    await program.parseAsync(entry === undefined ? args : [entry.name, ...(loaded?.args ?? [])], {
      from: "user",
    });
    return Number(process.exitCode ?? EXIT_OK);
  } catch (error) {
    return reportError(error, err);
  }
}

/** The program with all commands; those that were not loaded are there for the help only. */
function buildProgram(out: NodeJS.WritableStream, err: NodeJS.WritableStream, loaded?: Command): Command {
  const program = new Command("twill")
    .description("Overlay network for hosts that run containers, compatible with flannel")
    .version(VERSION, "--version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: (text) => out.write(text), writeErr: (text) => err.write(text) });
  for (const { name, description } of COMMANDS) {
    const command = loaded?.name() === name ? loaded : new Command(name);
    program.addCommand(inherit(command, program).description(description));
  }
  return program;
}

/** Commands made elsewhere do not take over the program's settings by themselves. */
function inherit(command: Command, program: Command): Command {
  command.copyInheritedSettings(program);
  for (const child of command.commands) inherit(child, command);
  return command;
}

function reportError(error: unknown, err: NodeJS.WritableStream): number {
  // Commander has printed its message, or the help or version that was asked for.
  if (error instanceof CommanderError) return error.exitCode === EXIT_OK ? EXIT_OK : EXIT_USAGE;
  if (!(error instanceof OverlayError)) throw error;
  err.write(`twill: ${error.message}\n`);
  return error.code === "ERR_OPTION_INVALID" ? EXIT_USAGE : EXIT_FAILURE;
}
