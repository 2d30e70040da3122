/** What docs/compose.md gives people to paste, for tests that do so. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const PAGE = join(import.meta.dirname, "../../../docs/compose.md");

/** The one place of the page that `pattern`, a global expression, finds: its first group. */
export function fromComposePage(pattern: RegExp): string {
  const found = [...readFileSync(PAGE, "utf8").matchAll(pattern)].map(([, group = ""]) => group);
  if (found.length === 1 && found[0] !== undefined) return found[0];
  throw new Error(`${PAGE} has ${found.length} places for ${pattern.source}, not one`);
}
