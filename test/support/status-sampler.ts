/** Asks an agent's socket for its status while something else goes on: does it answer, and when does it know of a lease? */
import { setTimeout as delay } from "node:timers/promises";
import type { LabHost } from "./lab.ts";
import type { ChurnEvent } from "./lease-churn.ts";

/** Between two markers. */
const PAUSE_MS = 500;
/** Between two questions for one marker. */
const POLL_MS = 10;

/** What was seen, in milliseconds. */
export interface StatusSamples {
  /** From a question to the whole answer. */
  readonly answersMs: readonly number[];
  /** From the write of a lease to an answer that has it. */
  readonly markersMs: readonly number[];
}

/** Takes a new lease now and then and asks until the agent has it; ends when there are no more. */
export async function sampleStatus(
  host: LabHost,
  nextMarker: () => Promise<ChurnEvent | null>,
): Promise<StatusSamples> {
  const answersMs: number[] = [];
  const markersMs: number[] = [];
  const hasPeer = async (subnet: string): Promise<boolean> => {
    const askedMs = performance.now();
    const { peers } = await host.agent.status();
    answersMs.push(performance.now() - askedMs);
    return peers.some((peer) => peer.subnet === subnet);
  };
  for (let marker = await nextMarker(); marker !== null; marker = await nextMarker()) {
    while (!(await hasPeer(marker.subnet))) await delay(POLL_MS);
    markersMs.push(Date.now() - marker.sentMs);
    await delay(PAUSE_MS);
  }
  return { answersMs, markersMs };
}
