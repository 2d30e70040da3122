/** A folder of labs of one test file: sweeping there does not meet the labs of another. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listLabs } from "../../src/lab/record/lab-store.ts";
import { NETNS_DIRECTORY } from "../../src/lab/machine/namespace.ts";
import { removeLab } from "../../src/lab/remove-lab.ts";

/** A name for a lab of this test file: their namespaces are the machine's, where other files have labs meanwhile. */
export function ownName(word: string): string {
  return `${word}-${process.pid}`;
}

/** Makes the folder. */
export function makeLabFolder(): string {
  return mkdtempSync(join(tmpdir(), "twill-lab-test-"));
}

/** Removes the folder, and the labs that failed tests have left in it. */
export async function removeLabFolder(folder: string): Promise<void> {
  for (const left of await listLabs(folder)) await removeLab(folder, left);
  rmSync(folder, { recursive: true, force: true });
}

/** Namespaces on this machine that bear a lab's name. */
export function namespacesOf(lab: string): string[] {
  if (!existsSync(NETNS_DIRECTORY)) return []; // gone with the last lab, where a lab made it
  return readdirSync(NETNS_DIRECTORY).filter((name) => name.startsWith(`twl-${lab}-`));
}
