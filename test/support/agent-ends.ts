/** Agents that are ended again and again, at moments of their start that a seed scatters. */
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { ProcessEnd } from "../../src/lab/machine/lab-process.ts";
import { eventually } from "./eventually.ts";
import type { LabHost } from "./lab.ts";
import type { LogLine } from "./log-lines.ts";

/** From an agent's first line to its end: it is ready after about half of it. */
const MAX_MOMENT_MS = 500;
const FIRST_LINE_TIMEOUT_MS = 20_000;
/** An agent ends within 2 s of SIGTERM; the rest is for a busy machine. */
const END_TIMEOUT_MS = 10_000;

/** How agents are ended. */
export interface Ends {
  readonly signal: "SIGKILL" | "SIGTERM";
  readonly rounds: number;
  readonly random: () => number;
}

/** What was seen. */
export interface EndsSeen {
  readonly ends: readonly ProcessEnd[];
  /** The last message of each agent before it was ended, and of how many it was. */
  readonly lastWords: ReadonlyMap<string, number>;
}

/**
 * Ends the host's agent and starts it again, as often as asked: the first one where it stands, each later one at some moment
 * within {@link MAX_MOMENT_MS} of its first line, before which it touches nothing. The last one goes on.
 */
export async function endRepeatedly(host: LabHost, { signal, rounds, random }: Ends): Promise<EndsSeen> {
  const ends: ProcessEnd[] = [];
  const lastWords = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const words = await lastMessage(host);
    lastWords.set(words, (lastWords.get(words) ?? 0) + 1);
    ends.push(await endAgent(host, signal));
    const logged = await logBytes(host);
    await host.startAgent();
    await eventually(async () => (await logBytes(host)) > logged, { timeoutMs: FIRST_LINE_TIMEOUT_MS });
    if (round + 1 < rounds) await delay(random() * MAX_MOMENT_MS);
  }
  return { ends, lastWords };
}

/** Ends the host's agent; resolves with how it ended. */
export async function endAgent({ agent }: LabHost, signal: NodeJS.Signals): Promise<ProcessEnd> {
  agent.kill(signal);
  await eventually(() => !agent.isRunning, { timeoutMs: END_TIMEOUT_MS });
  return await agent.exited;
}

async function logBytes({ files }: LabHost): Promise<number> {
  return (await stat(files.logFile)).size;
}

/** Of a line that is whole. */
async function lastMessage({ agent }: LabHost): Promise<string> {
  for (const line of (await agent.logLines()).toReversed()) {
    if (line.endsWith("}")) return (JSON.parse(line) as LogLine).msg;
  }
  return "nothing";
}
