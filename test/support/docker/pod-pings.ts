/** Pings between pods whose hosts are containers, counted exactly. */
import { expect } from "vitest";
import { parsePingOutput } from "../../../src/lab/measure/ping-output.ts";

const PINGS = 20;
const INTERVAL_SECONDS = 0.05;
/** After the counted ones, while the last of those are waited for: a second. */
const FURTHER_PINGS = 20;

/** Runs a command in a pod; resolves with what it printed. */
export type RunInPod = (argv: readonly string[]) => Promise<string>;

/** Pings an address from a pod: none of 20 is lost. */
export async function expectAllAnswered(inPod: RunInPod, address: string): Promise<void> {
  const requests = ["-c", `${PINGS + FURTHER_PINGS}`, "-i", `${INTERVAL_SECONDS}`];
  const output = await inPod(["ping", "-n", "-D", ...requests, address]);
  expect(parsePingOutput(output, PINGS), output).toMatchObject({ sent: PINGS, lost: 0 });
}
