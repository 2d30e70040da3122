/** Where an ADD put its interface, so that a later ADD can tell whether it is there still. */
import { execFile } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { promisify } from "node:util";

/** The network namespace of a container, as it was at an ADD. */
export interface ContainerNamespace {
  /** As the runtime named it. */
  readonly path: string;
  /** Boot, device and inode number; null when the path led nowhere. */
  readonly id: string | null;
}

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
/** It asks the kernel one thing. */
const NSENTER_TIMEOUT_MS = 5_000;

/** The namespace that the path leads to now. */
export function namespaceAt(path: string): ContainerNamespace {
  return { path, id: readId(path) };
}

/**
 * Whether an interface of this name is still in that namespace. Another boot, path or number says no at once. The same
 * does not say yes: the kernel gives the number of a namespace that is gone to the next, a runtime may give it the same
 * name, and so does the pid that a path in /proc begins with. Where nobody can look inside, it is yes.
 */
export async function isInterfaceThere(
  { path, id }: ContainerNamespace,
  interfaceName: string,
): Promise<boolean> {
  if (id === null || readId(path) !== id) return false;
  try {
    const argv = [`--net=${path}`, "--", "cat", "/proc/net/dev"];
    const { stdout } = await promisify(execFile)("nsenter", argv, { timeout: NSENTER_TIMEOUT_MS });
    return parseInterfaceNames(stdout).includes(interfaceName);
  } catch {
    return true;
  }
}

/** The names in /proc/net/dev (proc(5)): two lines of titles, then one for each interface, its name before a colon. */
export function parseInterfaceNames(text: string): string[] {
  const lines = text.split("\n").slice(2);
  return lines.map((line) => line.slice(0, line.lastIndexOf(":")).trim()).filter((name) => name !== "");
}

function readId(path: string): string | null {
  try {
    const { dev, ino } = statSync(path);
    return `${readFileSync(BOOT_ID, "utf8").trim()} ${dev}:${ino}`;
  } catch {
    return null;
  }
}
