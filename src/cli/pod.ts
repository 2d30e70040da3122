/** `twill pod`: thin doors to src/pod. */
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { readAgentPath } from "../agent/config.ts";
import { loadCniConfig, ownCniConfig } from "../pod/cni-config.ts";
import { formatPods, readPodStates } from "../pod/list-pods.ts";
import { requirePodName } from "../pod/pod-name.ts";
import { DEFAULT_PODS_DIRECTORY, PodStore } from "../pod/pod-store.ts";
import { commandInPod, endPod, requireRunningPod } from "../pod/pods.ts";
import { runPod } from "../pod/run-pod.ts";
import { waitForLease } from "../pod/wait-for-lease.ts";
import { agentPathOption } from "./agent-path-option.ts";
import { commandAfterDashes } from "./command-after-dashes.ts";
import { leaseDoubt } from "./lease-doubt.ts";
import { runInForeground } from "./run-in-foreground.ts";

interface StoreOptions {
  readonly podsDir: string;
}

interface PluginOptions extends StoreOptions {
  readonly cniPath: readonly string[];
}

interface RemoveOptions extends PluginOptions {
  readonly cniConfig?: string;
}

interface RunOptions extends RemoveOptions {
  readonly subnetFile?: string;
  readonly runDir?: string;
  readonly wait: number;
}

const POD_EXEC = { place: "the pod", advice: "options of twill pod go before the pod's name" };
const DEFAULT_WAIT_SECONDS = 60;
const MAX_WAIT_SECONDS = 86_400;
/** Where plugins are by convention, where Debian has them, and our own. */
const PLUGIN_PATH = ["/opt/cni/bin", "/usr/lib/cni", fileURLToPath(new URL("../../bin", import.meta.url))];
/** The command of a pod that is given none. */
const WEB_SERVER = [
  process.execPath,
  "--disable-warning=ExperimentalWarning", // Node.js 22 warns that it runs TypeScript
  fileURLToPath(new URL("../pod/web-main.mjs", import.meta.url)),
];

/** `twill pod` with all its commands; `out` takes what they print. */
export function podCommand(out: NodeJS.WritableStream): Command {
  return new Command("pod")
    .enablePositionalOptions()
    .helpCommand(false)
    .addCommand(runCommand(out))
    .addCommand(execCommand())
    .addCommand(ipCommand(out))
    .addCommand(listCommand(out))
    .addCommand(rmCommand(out));
}

function runCommand(out: NodeJS.WritableStream): Command {
  return withPlugins(new Command("run"))
    .usage("[options] <name> [-- <command...>]")
    .description(
      "start a command with an address of this host's subnet, print the address, and leave it running; without a command a web server on port 8080",
    )
    .argument("<name>", "name of the pod, as web")
    .argument("[command...]", "command and its arguments, after --")
    .option("--wait <seconds>", "how long to wait for this host's lease", parseSeconds, DEFAULT_WAIT_SECONDS)
    .addOption(agentPathOption("subnetFile"))
    .addOption(agentPathOption("runDir"))
    .option("--cni-config <path>", "configuration of another CNI plugin than twill-cni")
    .passThroughOptions()
    .action(async (name: string, argv: string[], options: RunOptions, command: Command) => {
      const subnetFile = readAgentPath("subnetFile", options.subnetFile);
      const plan = {
        name: requirePodName(name),
        command: argv.length === 0 ? WEB_SERVER : commandAfterDashes(argv, POD_EXEC),
        searchPath: process.env.PATH ?? "",
        cniConfig:
          options.cniConfig === undefined ? ownCniConfig(subnetFile) : await loadCniConfig(options.cniConfig),
        plugins: { path: options.cniPath, environment: process.env },
      };
      const { subnet } = await waitForLease(subnetFile, options.wait * 1000);
      const doubt = await leaseDoubt(subnet, subnetFile, readAgentPath("runDir", options.runDir));
      if (doubt !== null) command.configureOutput().writeErr?.(`twill: warning: ${doubt}\n`);
      out.write(`${await runPod(plan, new PodStore(options.podsDir))}\n`);
    });
}

function execCommand(): Command {
  return withStore(new Command("exec"))
    .usage("[options] <name> -- <command...>")
    .description("run a command in the network of a pod; its exit code is the command's")
    .argument("<name>", "name of the pod")
    .argument("<command...>", "command and its arguments, after --")
    .passThroughOptions()
    .action(async (name: string, argv: string[], options: StoreOptions) => {
      const command = commandAfterDashes(argv, POD_EXEC);
      const pod = await requireRunningPod(requirePodName(name), new PodStore(options.podsDir));
      process.exitCode = await runInForeground(commandInPod(pod, command), "ERR_POD_FAILED");
    });
}

function ipCommand(out: NodeJS.WritableStream): Command {
  return withStore(new Command("ip"))
    .description("print the address of a pod")
    .argument("<name>", "name of the pod")
    .action(async (name: string, options: StoreOptions) => {
      const pod = await requireRunningPod(requirePodName(name), new PodStore(options.podsDir));
      out.write(`${pod.attachment.address}\n`);
    });
}

function listCommand(out: NodeJS.WritableStream): Command {
  return withStore(new Command("list"))
    .description("show the pods of this host")
    .action(async (options: StoreOptions) => {
      out.write(formatPods(await readPodStates(new PodStore(options.podsDir))));
    });
}

function rmCommand(out: NodeJS.WritableStream): Command {
  return withPlugins(new Command("rm"))
    .description("end a pod and give its address back; one that is not there is no error")
    .argument("<name>", "name of the pod")
    .option(
      "--cni-config <path>",
      "detach with this configuration instead of the one that the pod was attached with",
    )
    .action(async (name: string, options: RemoveOptions) => {
      const { podsDir, cniConfig: path } = options;
      const plugins = { path: options.cniPath, environment: process.env };
      const cniConfig = path === undefined ? null : await loadCniConfig(path);
      const wasThere = await endPod(requirePodName(name), new PodStore(podsDir), { cniConfig, plugins });
      if (!wasThere) out.write(`There is no pod ${name}.\n`);
    });
}

function withStore(command: Command): Command {
  return command.option("--pods-dir <path>", "directory of all pods", DEFAULT_PODS_DIRECTORY);
}

function withPlugins(command: Command): Command {
  const parse = (text: string): string[] => text.split(":").filter((directory) => directory !== "");
  return withStore(command).option(
    "--cni-path <paths>",
    "directories of CNI plugins, separated by colons",
    parse,
    PLUGIN_PATH,
  );
}

function parseSeconds(text: string): number {
  if (/^[0-9]{1,5}$/.test(text) && Number(text) <= MAX_WAIT_SECONDS) return Number(text);
  throw new InvalidArgumentError(`need a number of seconds from 0 to ${MAX_WAIT_SECONDS}`);
}
