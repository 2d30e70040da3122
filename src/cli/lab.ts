/** `twill lab`: thin doors to src/lab. */
import { Command, InvalidArgumentError } from "commander";
import { createLabWithLogs } from "../lab/create-lab-with-logs.ts";
import { pictureOf, runDemo } from "../lab/demo.ts";
import { openLab } from "../lab/lab.ts";
import type { Lab } from "../lab/lab.ts";
import { DEFAULT_OVERLAY_NETWORK, DEFAULT_UNDERLAY_MTU } from "../lab/record/address-plan.ts";
import { DEFAULT_STATE_DIRECTORY } from "../lab/record/lab-store.ts";
import { describeLab, formatHosts, reportHosts } from "../lab/show/lab-report.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { interruptible } from "./interruptible.ts";
import { execIn } from "./lab-exec.ts";

interface NameOptions {
  readonly name: string;
  readonly stateDir: string;
}

interface UpOptions extends NameOptions {
  readonly hosts: number;
  readonly pods: number;
  readonly backend: string;
  readonly network: string;
  readonly underlayMtu: number;
  readonly subnetFile?: string;
}

const DEFAULT_NAME = "lab";
const DEFAULT_HOSTS = 3;

/** `twill lab` with all its commands. */
export function labCommand(out: NodeJS.WritableStream): Command {
  return new Command("lab")
    .description("try twill on one machine, with hosts that are network namespaces")
    .enablePositionalOptions()
    .helpCommand(false)
    .addCommand(upCommand(out))
    .addCommand(statusCommand(out))
    .addCommand(execCommand())
    .addCommand(downCommand(out))
    .addCommand(demoCommand(out));
}

function upCommand(out: NodeJS.WritableStream): Command {
  return named(new Command("up"))
    .description("make hosts, an etcd, an agent on each host, and pods; they stay until `lab down`")
    .option("--hosts <n>", "number of hosts, 1 to 50", parseCount, DEFAULT_HOSTS)
    .option("--pods <n>", "pods on each host, 0 to 100", parseCount, 1)
    .option("--backend <type>", "backend in the network config", "udp")
    .option("--network <prefix>", "overlay network", DEFAULT_OVERLAY_NETWORK)
    .option("--underlay-mtu <bytes>", "MTU between the hosts", parseCount, DEFAULT_UNDERLAY_MTU)
    .option("--subnet-file <path>", "where each agent writes its subnet file; %h is the host's name")
    .action(async (options: UpOptions) => {
      await interruptible(out, async (signal) => {
        await up(options, signal, out);
      });
    });
}

function statusCommand(out: NodeJS.WritableStream): Command {
  return named(new Command("status"))
    .description("show the hosts, their agents and pods")
    .action(async (options: NameOptions) => {
      const lab = await openExisting(options);
      out.write(describeLab(lab) + formatHosts(await reportHosts(lab)));
    });
}

function execCommand(): Command {
  return named(new Command("exec"))
    .description("run a command on a host (h1) or in a pod (h1p1); its exit code is the command's")
    .argument("<where>", "host or pod")
    .argument("<command...>", "command and its arguments, after --")
    .passThroughOptions()
    .action(async (where: string, argv: string[], options: NameOptions) => {
      process.exitCode = await execIn(await openExisting(options), where, argv);
    });
}

function downCommand(out: NodeJS.WritableStream): Command {
  return named(new Command("down"))
    .description("take the lab down, whatever is left of it")
    .action(async ({ name, stateDir }: NameOptions) => {
      const lab = await openLab(name, stateDir);
      await lab?.down();
      out.write(lab === null ? `There is no lab ${name}.\n` : `Lab ${name} is taken down.\n`);
    });
}

function demoCommand(out: NodeJS.WritableStream): Command {
  return new Command("demo")
    .description("make a lab, show that it works, take it down")
    .option("--hosts <n>", "number of hosts, 2 to 50", parseCount, DEFAULT_HOSTS)
    .option("--state-dir <path>", "directory of all labs", DEFAULT_STATE_DIRECTORY)
    .action(async ({ hosts, stateDir }: { hosts: number; stateDir: string }) => {
      await interruptible(out, async (signal) => {
        await runDemo({ hosts, stateDirectory: stateDir, out, signal });
      });
    });
}

function named(command: Command): Command {
  return command
    .option("--name <name>", "name of the lab", DEFAULT_NAME)
    .option("--state-dir <path>", "directory of all labs", DEFAULT_STATE_DIRECTORY);
}

async function up(options: UpOptions, signal: AbortSignal, out: NodeJS.WritableStream): Promise<void> {
  const lab = await createLabWithLogs({
    owner: "user",
    name: options.name,
    stateDirectory: options.stateDir,
    hosts: options.hosts,
    pods: options.pods,
    network: options.network,
    networkConfig: { Backend: { Type: options.backend } },
    underlayMtu: options.underlayMtu,
    subnetFile: options.subnetFile,
    signal,
    onProgress: (text) => void out.write(`${text}\n`),
  });
  out.write(`\n${await pictureOf(lab)}${howToTry(lab, options)}`);
  lab.release();
}

function howToTry(lab: Lab, options: UpOptions): string {
  const suffix =
    (options.name === DEFAULT_NAME ? "" : ` --name ${options.name}`) +
    (options.stateDir === DEFAULT_STATE_DIRECTORY ? "" : ` --state-dir ${options.stateDir}`);
  const [from] = lab.pods;
  const to = lab.pods.at(-1);
  const ping =
    from === undefined || to === undefined || from === to
      ? []
      : [`  twill lab exec${suffix} ${from.name} -- ping -c 3 ${to.address}`];
  return `${[
    "Try:",
    ...ping,
    `  twill lab exec${suffix} h1 -- ip route`,
    `  twill lab status${suffix}`,
    `  twill lab down${suffix}`,
    `Logs and files: ${lab.directory}`,
  ].join("\n")}\n`;
}

async function openExisting({ name, stateDir }: NameOptions): Promise<Lab> {
  const lab = await openLab(name, stateDir);
  if (lab !== null) return lab;
  throw new OverlayError(
    "ERR_LAB_FAILED",
    `Cannot use lab ${name}: there is none in ${stateDir} (twill lab up)`,
  );
}

function parseCount(text: string): number {
  if (!/^[0-9]{1,6}$/.test(text)) throw new InvalidArgumentError("need a whole number");
  return Number(text);
}
