/** Part of the interval, to either side. */
const SPREAD = 0.1;

/** About every so often: a random tenth more or less, so that a thousand agents do not ask in the same moment. */
export function spreadIntervalMs(everyMs: number, random: () => number): number {
  return everyMs * (1 + SPREAD * (2 * random() - 1));
}
