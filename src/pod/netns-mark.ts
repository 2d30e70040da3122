/**
 * What a pod's devices are marked with, inside its namespace and outside: an alias of a device goes with the device,
 * and so with the namespace, whichever processes come, go or lose their environment.
 *
 *     twill-pod:web:1b-4711:9f86d081884c7d65
 *               |   |       one start of the pod, by chance
 *               |   its directory, by device and inode: a pod of this name on another host of a lab has another
 *               name
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { parseJson } from "./cni-answer.ts";

/** Half a UUID: a number that is reused and a mark that is made again do not come together. */
const TOKEN_BYTES = 8;
/** It asks the kernel one thing; the lock of all pods is held meanwhile. */
const NSENTER_TIMEOUT_MS = 5_000;
const MARK = /^twill-pod:[a-z0-9-]{1,63}:[0-9a-f]+-[0-9a-f]+:[0-9a-f]{16}$/;

/** What the marks of all pods of this name begin with that this directory ever had, or null when it is gone. */
export async function markScope(name: string, directory: string): Promise<string | null> {
  const stats = await stat(directory, { bigint: true }).catch(() => null);
  if (stats === null) return null;
  return `twill-pod:${name}:${stats.dev.toString(16)}-${stats.ino.toString(16)}:`;
}

/** A mark that no pod had before. */
export function newMark(scope: string): string {
  return `${scope}${randomBytes(TOKEN_BYTES).toString("hex")}`;
}

/** Whether `value` is a mark. */
export function isMark(value: unknown): value is string {
  return typeof value === "string" && MARK.test(value);
}

/** The mark of the namespace at this path, "" when it has none. Throws what nsenter says when it cannot be entered. */
export async function readMark(netnsPath: string): Promise<string> {
  const argv = [`--net=${netnsPath}`, "--", "ip", "-j", "link", "show", "dev", "lo"];
  const { stdout } = await promisify(execFile)("nsenter", argv, { timeout: NSENTER_TIMEOUT_MS });
  const [link] = (parseJson(stdout) ?? []) as { ifalias?: unknown }[];
  return isMark(link?.ifalias) ? link.ifalias : "";
}
