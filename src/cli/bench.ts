/** `twill bench`: thin door to src/bench. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { parseOtherProgram, planRows } from "../bench/bench-rows.ts";
import type { OtherProgram } from "../bench/bench-rows.ts";
import { runDatapathBench } from "../bench/datapath-bench.ts";
import { TRAFFIC_KINDS, parseTrafficKinds } from "../bench/traffic/traffic-kind.ts";
import type { TrafficKind } from "../bench/traffic/traffic-kind.ts";
import { MAX_QUEUES } from "../datapath/tun.ts";
import { hasKernelVxlan } from "../lab/machine/kernel-vxlan.ts";
import { thisMachine } from "../lab/machine/required-tools.ts";
import { DEFAULT_STATE_DIRECTORY } from "../lab/record/lab-store.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { benchHostsCommand } from "./bench-hosts.ts";
import { interruptible } from "./interruptible.ts";

interface DatapathOptions {
  readonly repeats: number;
  readonly seconds: number;
  readonly rows?: readonly string[];
  readonly only?: readonly TrafficKind[];
  readonly queues?: number;
  readonly flanneld?: string;
  readonly program: readonly OtherProgram[];
  readonly json: string;
  readonly stateDir: string;
}

const DEFAULT_REPEATS = 3;
const DEFAULT_SECONDS = 5;
const MAX_COUNT = 9999;
/** Beside the checkout's other products. */
const DEFAULT_JSON = fileURLToPath(new URL("../../build/bench-datapath.json", import.meta.url));
const EXIT_UNACCOUNTED = 1;

/** `twill bench` with all its commands. */
export function benchCommand(out: NodeJS.WritableStream): Command {
  return new Command("bench")
    .description("measure what carrying packets costs on this machine, in a lab made for it")
    .helpCommand(false)
    .addCommand(datapathCommand(out))
    .addCommand(benchHostsCommand(out));
}

function datapathCommand(out: NodeJS.WritableStream): Command {
  return new Command("datapath")
    .description(
      "compare the backends, the packet engines and the kernel; exit code 1 when a datagram is not accounted for",
    )
    .option("--repeats <n>", "times each row is measured", countUpTo(MAX_COUNT), DEFAULT_REPEATS)
    .option("--seconds <n>", "length of each run of TCP or UDP", countUpTo(MAX_COUNT), DEFAULT_SECONDS)
    .option("--rows <names>", "rows to measure, separated by commas (all)", (text) => text.split(","))
    .option("--only <kinds>", `of ${TRAFFIC_KINDS.join(", ")} those to measure (all)`, parseTrafficKinds)
    .option("--queues <n>", "queues of the native engine (its own choice)", countUpTo(MAX_QUEUES))
    .option("--flanneld <path>", "flannel's daemon, for a row with its udp backend")
    .option("--program <name=path>", "another bin/twill, for a row of its own; repeatable", collect, [])
    .option("--json <path>", "file for all values", DEFAULT_JSON)
    .option("--state-dir <path>", "directory of all labs", DEFAULT_STATE_DIRECTORY)
    .action(async (options: DatapathOptions) => {
      await measure(options, out);
    });
}

async function measure(options: DatapathOptions, out: NodeJS.WritableStream): Promise<void> {
  const { repeats, seconds: secondsPerRun, queues = null, program: programs, stateDir } = options;
  const flanneld = options.flanneld === undefined ? null : resolve(options.flanneld);
  // Without root no namespace can be made to try it in, and the benchmark says so itself.
  const hasVxlan = thisMachine().userId !== 0 || (await hasKernelVxlan());
  const rows = planRows({
    names: options.rows ?? null,
    queues,
    flanneld,
    hasKernelVxlan: hasVxlan,
    programs,
  });
  for (const { program } of rows) {
    if (program === null || existsSync(program)) continue;
    throw new OverlayError("ERR_OPTION_INVALID", `Cannot measure ${program}: there is no such file`);
  }
  await interruptible(async (signal) => {
    const isBalanced = await runDatapathBench({
      rows,
      traffic: options.only ?? TRAFFIC_KINDS,
      repeats,
      secondsPerRun,
      queues,
      jsonPath: options.json,
      stateDirectory: stateDir,
      commandLine: process.argv.slice(2),
      out,
      progress: process.stderr,
      signal,
    });
    if (!isBalanced) process.exitCode = EXIT_UNACCOUNTED;
  }, out);
}

function collect(text: string, earlier: readonly OtherProgram[]): OtherProgram[] {
  return [...earlier, parseOtherProgram(text)];
}

function countUpTo(max: number): (text: string) => number {
  return (text) => {
    if (/^[1-9][0-9]*$/.test(text) && Number(text) <= max) return Number(text);
    throw new InvalidArgumentError(`need a whole number from 1 to ${max}`);
  };
}
