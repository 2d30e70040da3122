/** `twill lab`: thin doors to src/lab. */
import { Command, InvalidArgumentError, Option } from "commander";
import { createLabWithLogs } from "../lab/create-lab-with-logs.ts";
import { DEMO_BACKENDS } from "../lab/demo/demo-ways.ts";
import { runDemo } from "../lab/demo/run-demo.ts";
import { AGENT_READY_TIMEOUT_MS, openLab } from "../lab/lab.ts";
import type { Lab } from "../lab/lab.ts";
import { checkRoot, thisMachine } from "../lab/machine/required-tools.ts";
import { DEFAULT_OVERLAY_NETWORK, DEFAULT_UNDERLAY_MTU } from "../lab/record/address-plan.ts";
import { DEFAULT_STATE_DIRECTORY } from "../lab/record/lab-store.ts";
import { pictureOf } from "../lab/show/picture-of.ts";
import { describeLab, formatHosts, isHealthy, reportHosts } from "../lab/show/lab-report.ts";
import { removeLogs } from "../lab/show/save-logs.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { shellWord } from "../net/shell-word.ts";
import { commandAfterDashes } from "./command-after-dashes.ts";
import { interruptible } from "./interruptible.ts";
import { checkNetworkHolds } from "./lab-check.ts";
import { execIn } from "./lab-exec.ts";
import { howToTry, programName } from "./lab-hints.ts";
import {
  LAB_BACKENDS,
  LAB_DATAPATHS,
  parseBackendOption,
  parseHostFlags,
  planCarrying,
} from "./lab-options.ts";
import type { CarryOptions, CarryPlan } from "./lab-options.ts";

interface NameOptions {
  readonly name: string;
  readonly stateDir: string;
}

interface UpOptions extends NameOptions, CarryOptions {
  readonly hosts: number;
  readonly pods: number;
  readonly network: string;
  readonly underlayMtu: number;
  readonly subnetFile?: string;
}

interface DemoOptions {
  readonly hosts: number;
  readonly backend?: string;
  readonly stateDir: string;
}

const EXIT_FAILURE = 1;
const DEFAULT_NAME = "lab";
const DEFAULT_HOSTS = 3;
const LAB_EXEC = { place: "the lab", advice: "options of lab exec go before the host or pod" };

/** `twill lab` with all its commands. */
export function labCommand(out: NodeJS.WritableStream): Command {
  return new Command("lab")
    .description("try twill on one machine, with hosts that are network namespaces")
    .enablePositionalOptions()
    .helpCommand(false)
    .addCommand(upCommand(out))
    .addCommand(statusCommand(out))
    .addCommand(execCommand())
    .addCommand(restartCommand(out))
    .addCommand(downCommand(out))
    .addCommand(demoCommand(out));
}

function upCommand(out: NodeJS.WritableStream): Command {
  return named(new Command("up"))
    .description("make hosts, an etcd, an agent on each host, and pods; they stay until `lab down`")
    .option("--hosts <n>", "number of hosts, 1 to 50", parseCount, DEFAULT_HOSTS)
    .option("--pods <n>", "pods on each host, 0 to 100", parseCount, 1)
    .addOption(
      new Option("--backend <type>", "backend in the network config").choices(LAB_BACKENDS).default("udp"),
    )
    .option(
      "--backend-option <name=json>",
      "member of the network config's Backend, repeatable",
      addTo(parseBackendOption),
      [],
    )
    .addOption(
      new Option("--datapath <where>", "--datapath of every agent (the agents' own default)").choices(
        LAB_DATAPATHS,
      ),
    )
    .option(
      "--host-flags <host=flags>",
      "agent flags for one host, as h2=--datapath=kernel, repeatable",
      addTo(parseHostFlags),
      [],
    )
    .option("--network <prefix>", "overlay network", DEFAULT_OVERLAY_NETWORK)
    .option("--underlay-mtu <bytes>", "MTU between the hosts", parseCount, DEFAULT_UNDERLAY_MTU)
    .option("--subnet-file <path>", "where each agent writes its subnet file; %h is the host's name")
    .action(async (options: UpOptions) => {
      checkNetworkHolds(options);
      const carrying = planCarrying(options);
      // A reader that goes away (`lab up | head`) takes no lab down that is to stay.
      await interruptible(async (signal) => {
        await up(options, carrying, signal, out);
      });
    });
}

function statusCommand(out: NodeJS.WritableStream): Command {
  return named(new Command("status"))
    .description("show the hosts, their agents and pods; exit code 1 unless all of it is up and ready")
    .action(async (options: NameOptions) => {
      const lab = await openExisting(options);
      const hosts = await reportHosts(lab);
      out.write(describeLab(lab) + formatHosts(hosts));
      if (!isHealthy(lab.record, hosts)) process.exitCode = EXIT_FAILURE;
    });
}

function execCommand(): Command {
  return named(new Command("exec"))
    .usage("[options] <where> -- <command...>")
    .description(
      "run a command on a host (h1) or in a pod (h1p1); its exit code is the command's; options go before <where>",
    )
    .argument("<where>", "host or pod")
    .argument("<command...>", "command and its arguments, after --")
    .passThroughOptions()
    .action(async (where: string, argv: string[], options: NameOptions) => {
      const command = commandAfterDashes(argv, LAB_EXEC);
      checkRoot(thisMachine());
      process.exitCode = await execIn(await openExisting(options), where, command);
    });
}

function restartCommand(out: NodeJS.WritableStream): Command {
  return named(new Command("restart"))
    .description("start the agent of a host anew, with the flags it was made with, whether it runs or not")
    .argument("<host>", "host, as h1")
    .action(async (name: string, options: NameOptions) => {
      checkRoot(thisMachine());
      const lab = await openExisting(options);
      const host = lab.hosts.find((one) => one.name === name);
      if (host === undefined) {
        const names = lab.hosts.map((one) => one.name).join(", ");
        throw new OverlayError(
          "ERR_OPTION_INVALID",
          `Cannot restart the agent of ${JSON.stringify(name)}: the lab has ${names}`,
        );
      }
      const agent = await host.restartAgent();
      lab.release();
      await agent.waitReady(AGENT_READY_TIMEOUT_MS);
      out.write(`The agent of ${name} is ready, pid ${agent.pid}.\n`);
    });
}

function downCommand(out: NodeJS.WritableStream): Command {
  return named(new Command("down"))
    .description("take the lab down, whatever is left of it")
    .action(async ({ name, stateDir }: NameOptions) => {
      checkRoot(thisMachine());
      const lab = await openLab(name, stateDir);
      await removeLogs(stateDir, name);
      await lab?.down();
      out.write(lab === null ? `There is no lab ${name}.\n` : `Lab ${name} is taken down.\n`);
    });
}

function demoCommand(out: NodeJS.WritableStream): Command {
  return new Command("demo")
    .description("make a lab with each backend in turn, show that it works, take it down")
    .option("--hosts <n>", "number of hosts, 2 to 50", parseCount, DEFAULT_HOSTS)
    .addOption(new Option("--backend <type>", "the only one to show (all)").choices(DEMO_BACKENDS))
    .option("--state-dir <path>", "directory of all labs", DEFAULT_STATE_DIRECTORY)
    .action(async ({ hosts, backend, stateDir }: DemoOptions) => {
      await interruptible(async (signal) => {
        await runDemo({ hosts, backend, stateDirectory: stateDir, out, signal });
      }, out);
    });
}

function named(command: Command): Command {
  return command
    .option("--name <name>", "name of the lab", DEFAULT_NAME)
    .option("--state-dir <path>", "directory of all labs", DEFAULT_STATE_DIRECTORY);
}

async function up(
  options: UpOptions,
  carrying: CarryPlan,
  signal: AbortSignal,
  out: NodeJS.WritableStream,
): Promise<void> {
  const lab = await createLabWithLogs({
    owner: "user",
    name: options.name,
    stateDirectory: options.stateDir,
    hosts: options.hosts,
    pods: options.pods,
    network: options.network,
    ...carrying,
    underlayMtu: options.underlayMtu,
    subnetFile: options.subnetFile,
    signal,
    onProgress: (text) => void out.write(`${text}\n`),
  });
  out.write(`\n${await pictureOf(lab)}${hints(lab, options)}`);
  lab.release();
}

function hints(lab: Lab, { name, stateDir }: UpOptions): string {
  const suffix =
    (name === DEFAULT_NAME ? "" : ` --name ${name}`) +
    (stateDir === DEFAULT_STATE_DIRECTORY ? "" : ` --state-dir ${shellWord(stateDir)}`);
  const { directory, pods } = lab;
  const device = lab.record.backend.deviceName;
  return howToTry({ program: programName(process.cwd()), suffix, directory, pods, device });
}

async function openExisting({ name, stateDir }: NameOptions): Promise<Lab> {
  const lab = await openLab(name, stateDir);
  if (lab !== null) return lab;
  throw new OverlayError(
    "ERR_LAB_FAILED",
    `Cannot use lab ${name}: there is none in ${stateDir} (twill lab up)`,
  );
}

/** For an option that may be given several times. */
function addTo<T>(parse: (text: string) => T): (text: string, earlier: readonly T[]) => T[] {
  return (text, earlier) => [...earlier, parse(text)];
}

function parseCount(text: string): number {
  if (!/^[0-9]{1,6}$/.test(text)) throw new InvalidArgumentError("need a whole number");
  return Number(text);
}
