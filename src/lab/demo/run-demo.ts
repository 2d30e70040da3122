/** `twill lab demo`: a lab from nothing for each backend in turn, proof that it works, and nothing left of it. */
import { createLabWithLogs } from "../create-lab-with-logs.ts";
import type { Lab } from "../lab.ts";
import { hasKernelVxlan } from "../machine/kernel-vxlan.ts";
import { DEMO_TOOLS, checkMachine, thisMachine } from "../machine/required-tools.ts";
import { MAX_HOSTS, checkCount } from "../record/address-plan.ts";
import { saveLogs, withLogs } from "../show/save-logs.ts";
import { demoWays, flagsByHost } from "./demo-ways.ts";
import type { DemoWay } from "./demo-ways.ts";
import { showDifference, showWhole } from "./show-lab.ts";
import type { Stage } from "./show-lab.ts";

/** What to show, and where. */
export interface DemoOptions {
  readonly hosts: number;
  /** The only backend to show; all of them without it. */
  readonly backend?: string | undefined;
  readonly stateDirectory?: string | undefined;
  readonly out: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

/** A way needs two ends. */
const MIN_HOSTS = 2;

/** Runs the demo; its last line is `demo: ok`. @throws {OverlayError} `ERR_LAB_FAILED` with what failed and where the logs are */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { out, signal } = options;
  const startMs = performance.now();
  checkCount("hosts", options.hosts, MIN_HOSTS, MAX_HOSTS);
  checkMachine(thisMachine(), DEMO_TOOLS);
  const say = (text: string): void => void out.write(`[${seconds(startMs)} s] ${text}\n`);
  const ways = demoWays(options.backend ?? null, await hasKernelVxlan(signal));
  for (const [i, way] of ways.entries()) {
    out.write(`${i === 0 ? "" : "\n"}=== ${way.backend}: ${way.title}\n`);
    await showWay(way, options, { out, say, signal }, i === 0);
  }
  out.write("demo: ok\n");
}

/** Of the first lab every step and everything is shown, of the others what is different. */
async function showWay(way: DemoWay, options: DemoOptions, stage: Stage, isFirst: boolean): Promise<void> {
  const { signal, say } = stage;
  const lab = await makeLab(way, options, isFirst ? say : () => undefined);
  try {
    await (isFirst ? showWhole(lab, stage) : showDifference(lab, stage));
  } catch (err) {
    throw signal.aborted ? err : withLogs(err, await saveLogs(lab));
  } finally {
    await lab.down();
  }
  say("all of it taken down");
}

async function makeLab(
  way: DemoWay,
  { hosts, stateDirectory, signal }: DemoOptions,
  onProgress: (text: string) => void,
): Promise<Lab> {
  try {
    return await createLabWithLogs({
      owner: "demo",
      hosts,
      networkConfig: { Backend: { Type: way.backend } },
      hostFlags: flagsByHost(way, hosts),
      stateDirectory,
      signal,
      onProgress,
    });
  } catch (err) {
    signal.throwIfAborted();
    throw err;
  }
}

function seconds(startMs: number): string {
  return ((performance.now() - startMs) / 1000).toFixed(1).padStart(4);
}
