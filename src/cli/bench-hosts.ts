/** `twill bench hosts`: thin door to src/bench/hosts. */
import { Command, InvalidArgumentError } from "commander";
import { readAgentPath } from "../agent/config.ts";
import { agentSocketPath } from "../agent/options/agent-socket.ts";
import type { AgentStatus } from "../agent/status.ts";
import { formatHosts, formatRun } from "../bench/hosts/format-hosts.ts";
import { peersOf, runHostsBench } from "../bench/hosts/hosts-bench.ts";
import { requirePodName } from "../pod/pod-name.ts";
import { DEFAULT_PODS_DIRECTORY, PodStore } from "../pod/pod-store.ts";
import { commandInPod, requireRunningPod } from "../pod/pods.ts";
import { agentPathOption } from "./agent-path-option.ts";
import { askAgent } from "./ask-agent.ts";
import { interruptible } from "./interruptible.ts";

interface HostsOptions {
  readonly pod?: string;
  readonly repeats: number;
  readonly seconds: number;
  readonly runDir?: string;
  readonly podsDir: string;
}

const DEFAULT_REPEATS = 3;
const DEFAULT_SECONDS = 5;

/** The `hosts` command of `twill bench`; `out` takes the table. */
export function benchHostsCommand(out: NodeJS.WritableStream): Command {
  return new Command("hosts")
    .description(
      "compare overlay and underlay between this host and every peer, on each of which `iperf3 --server` must run",
    )
    .option("--pod <name>", "send into the overlay from this pod (from the host itself)")
    .option("--repeats <n>", "times each peer is measured", parseCount, DEFAULT_REPEATS)
    .option("--seconds <n>", "length of each run of TCP", parseCount, DEFAULT_SECONDS)
    .addOption(agentPathOption("runDir"))
    .option("--pods-dir <path>", "directory of all pods", DEFAULT_PODS_DIRECTORY)
    .action(async (options: HostsOptions) => {
      await interruptible((signal) => measure(options, out, signal), out, "nothing was measured");
    });
}

async function measure(
  options: HostsOptions,
  out: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<void> {
  const socketPath = agentSocketPath(readAgentPath("runDir", options.runDir));
  const status = JSON.parse(await askAgent(socketPath, "/status")) as AgentStatus;
  const pod =
    options.pod === undefined
      ? null
      : await requireRunningPod(requirePodName(options.pod), new PodStore(options.podsDir));
  const runs = await runHostsBench({
    peers: peersOf(status),
    repeats: options.repeats,
    secondsPerRun: options.seconds,
    from: (path, argv) => (path === "overlay" && pod !== null ? commandInPod(pod, argv) : argv),
    onRun: (run) => void process.stderr.write(formatRun(run)),
    signal,
  });
  out.write(formatHosts(runs));
}

function parseCount(text: string): number {
  if (/^[1-9][0-9]{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("need a whole number from 1 to 9999");
}
