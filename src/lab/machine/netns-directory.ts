/**
 * /run/netns itself. iproute2 makes it with the first namespace, mounts it onto itself and leaves both behind; a lab
 * that was the cause takes them away again.
 */
import { existsSync } from "node:fs";
import { readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NETNS_DIRECTORY } from "./namespace.ts";
import { runCommand } from "./run-command.ts";

/** Among the labs' folders: there was no /run/netns before the first of them. */
export const NETNS_MARKER = ".made-netns-directory";

/** To be called before a lab's first namespace is made. */
export async function noteNetnsDirectory(root: string): Promise<void> {
  if (!existsSync(NETNS_DIRECTORY)) await writeFile(join(root, NETNS_MARKER), "");
}

/** To be called when no lab is left. A directory that others use meanwhile is busy or not empty, and stays. */
export async function removeNetnsDirectory(root: string): Promise<void> {
  const marker = join(root, NETNS_MARKER);
  if (!existsSync(marker)) return;
  const inside = await readdir(NETNS_DIRECTORY).catch(() => []);
  if (inside.length === 0) {
    await runCommand(["umount", "--no-mtab", NETNS_DIRECTORY]); // else it leaves a /run/mount
    await rmdir(NETNS_DIRECTORY).catch(() => undefined);
  }
  await rm(marker, { force: true });
}
