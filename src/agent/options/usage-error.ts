import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";

/** Names further away than this are not what the user meant. */
const MAX_DISTANCE = 3;

/** A mistake on the command line or in a variable: exit status 2. */
export function usageError(message: string): OverlayError {
  return new OverlayError("ERR_OPTION_INVALID", message);
}

/** The error for a flag that does not exist; names the nearest one that does. */
export function unknownFlagError(name: string, known: readonly string[]): OverlayError {
  const nearest = nearestName(name, known);
  const hint = nearest === null ? "see --help" : `did you mean --${nearest}?`;
  return usageError(`Cannot use flag ${showUntrusted(`--${name}`)}: there is no such flag, ${hint}`);
}

/** The known name that takes the fewest edits from `name`, or null when all are too far away. */
export function nearestName(name: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = MAX_DISTANCE + 1;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > MAX_DISTANCE) continue; // also bounds the work
    const distance = editDistance(name, candidate);
    if (distance < bestDistance && distance < candidate.length) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance: insertions, deletions and replacements of one character. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
