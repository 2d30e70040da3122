import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { arch, cpus, loadavg, release } from "node:os";
import { runCommand } from "../lab/machine/run-command.ts";

/** What figures depend on besides the program. */
export interface MachineFacts {
  readonly kernel: string;
  readonly architecture: string;
  readonly cores: number;
  readonly cpuModel: string;
  readonly node: string;
  readonly iperf3: string;
  /** What a socket may hold unread when it does not ask for more, as iperf3 does not (net.core.rmem_default). */
  readonly receiveBufferBytes: number;
  /** Load before the first run: a machine that was busy already is no good. */
  readonly loadAverage1Min: number;
  /** Commit of the checkout, with `-dirty` when files differ from it; null without git. */
  readonly commit: string | null;
}

const RECEIVE_BUFFER_FILE = "/proc/sys/net/core/rmem_default";
/** The kernel's own choice (SK_RMEM_MAX), for a namespace where older kernels do not show the file. */
const USUAL_RECEIVE_BUFFER_BYTES = 212_992;

/** Reads them; `root` is the checkout. */
export async function readMachineFacts(root: string): Promise<MachineFacts> {
  const [model] = cpus();
  const iperf3 = (await runCommand(["iperf3", "--version"])).stdout.split("\n")[0];
  return {
    kernel: release(),
    architecture: arch(),
    cores: cpus().length,
    cpuModel: model?.model.trim() ?? "unknown",
    node: process.version,
    iperf3: iperf3?.trim() ?? "unknown",
    receiveBufferBytes: await readReceiveBuffer(),
    loadAverage1Min: loadavg()[0] ?? 0,
    commit: await readCommit(root),
  };
}

async function readReceiveBuffer(): Promise<number> {
  if (!existsSync(RECEIVE_BUFFER_FILE)) return USUAL_RECEIVE_BUFFER_BYTES;
  return Number(await readFile(RECEIVE_BUFFER_FILE, "utf8"));
}

async function readCommit(root: string): Promise<string | null> {
  // No lock: looking must not get into the way of a commit that is being made.
  const argv = ["git", "--no-optional-locks", "-C", root, "describe", "--always", "--dirty", "--abbrev=40"];
  const result = await runCommand(argv).catch(() => null);
  return result?.code === 0 ? result.stdout.trim() : null;
}
