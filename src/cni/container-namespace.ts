/** Where an ADD put its interface, so that a later ADD or DEL can tell whether it is there still. */
import { execFile } from "node:child_process";
import { readFileSync, statSync, statfsSync } from "node:fs";
import { promisify } from "node:util";

/** The network namespace of a container, as it was at an ADD. */
export interface ContainerNamespace {
  /** As the runtime named it. */
  readonly path: string;
  /** Boot, device and inode number; null when the path led to no namespace. */
  readonly id: string | null;
}

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
/** File system of namespaces (statfs(2)). Where one is no longer mounted, the file it was mounted on stays. */
const NSFS_MAGIC = 0x6e736673;
/** It asks the kernel one thing. */
const NSENTER_TIMEOUT_MS = 5_000;

/** The namespace that the path leads to now. */
export function namespaceAt(path: string): ContainerNamespace {
  return { path, id: readId(path) };
}

/** Whether the path leads to that namespace, or to a later one that the kernel gave its number. */
export function isNamespaceThere({ path, id }: ContainerNamespace): boolean {
  return id !== null && readId(path) === id;
}

/** Whether the path leads to a namespace, and surely to another than that one. */
export function isOtherNamespace(path: string, { id }: ContainerNamespace): boolean {
  const found = readId(path);
  return found !== null && id !== null && found !== id;
}

/**
 * Whether an interface of this name is still in that namespace. Another boot, path or number says no at once. The same
 * does not say yes: the kernel gives the number of a namespace that is gone to the next, a runtime may give it the same
 * name, and so does the pid that a path in /proc begins with. Where nobody can look inside, it is yes.
 */
export async function isInterfaceThere(
  namespace: ContainerNamespace,
  interfaceName: string,
): Promise<boolean> {
  if (!isNamespaceThere(namespace)) return false;
  try {
    const argv = [`--net=${namespace.path}`, "--", "cat", "/proc/net/dev"];
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
    if (statfsSync(path).type !== NSFS_MAGIC) return null;
    const { dev, ino } = statSync(path);
    return `${readFileSync(BOOT_ID, "utf8").trim()} ${dev}:${ino}`;
  } catch {
    return null;
  }
}
