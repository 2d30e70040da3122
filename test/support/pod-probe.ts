/** Two pods that ping each other a hundred times a second while something happens to their hosts. */
import type { LabPod } from "./lab.ts";

/** What became of one pod's requests. */
export interface ProbeCounts {
  readonly sent: number;
  readonly lost: number;
  readonly longestGapMs: number | null;
}

const CARRIED = 10;
const CARRIED_TIMEOUT_MS = 10_000;

/** Runs `act` meanwhile; resolves with the counts of both ways, both of which answered before and after it. */
export async function probed(
  [a, b]: readonly [LabPod, LabPod],
  act: () => Promise<void>,
): Promise<[ProbeCounts, ProbeCounts]> {
  const pings = [a.startPing(b.address), b.startPing(a.address)] as const;
  const carry = (): Promise<unknown> =>
    Promise.all(pings.map((ping) => ping.waitForAnswers(CARRIED, CARRIED_TIMEOUT_MS)));
  await carry();
  await act();
  await carry();
  const [there, back] = await Promise.all([pings[0].stop(), pings[1].stop()]);
  return [countsOf(there), countsOf(back)];
}

/** In words, for a person. */
export function showProbe(counts: readonly ProbeCounts[]): string {
  const ways = counts.map(
    ({ sent, lost, longestGapMs }) =>
      `lost ${lost} of ${sent}, longest gap ${longestGapMs?.toFixed(0) ?? "?"} ms`,
  );
  return ways.join("; other way: ");
}

function countsOf({ sent, lost, longestGapMs }: ProbeCounts): ProbeCounts {
  return { sent, lost, longestGapMs };
}
