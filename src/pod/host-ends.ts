/**
 * The host's ends of a pod's cables (veth). One is there exactly as long as the other end is in some namespace, whoever
 * holds that, in sight or not: a socket that was handed on, a mount of `ip netns attach`, a process of another container.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { parseJson } from "./cni-answer.ts";
import type { PodAttachment } from "./pod-record.ts";

/** Tens of thousands of devices. */
const MAX_OUTPUT_BYTES = 16 * 2 ** 20;
/** One that the kernel holds must not hold the lock of all pods. */
const IP_TIMEOUT_MS = 15_000;

async function ip(...args: readonly string[]): Promise<string> {
  const options = { timeout: IP_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
  return (await promisify(execFile)("ip", args, options)).stdout;
}

/** What `ip -j link show` tells of a device, as far as it is looked at. */
interface Link {
  readonly ifname?: unknown;
  readonly address?: unknown;
  readonly ifalias?: unknown;
}

/** Marks the host's ends, so that they are known when the record is not. */
export async function markHostEnds(attachment: PodAttachment, mark: string): Promise<void> {
  for (const name of hostEndsOf(attachment, null, await readVeths()))
    await ip("link", "set", "dev", name, "alias", mark);
}

/** Names of the host's ends that are there: those of the attachment, and those whose mark begins with `scope`. */
export async function findHostEnds(
  attachment: PodAttachment | null,
  scope: string | null,
): Promise<string[]> {
  return hostEndsOf(attachment, scope, await readVeths());
}

/** Takes the pod's cables away, and so its address from whoever may still be in its namespace. */
export async function cutHostEnds(attachment: PodAttachment | null, scope: string | null): Promise<void> {
  for (const name of await findHostEnds(attachment, scope)) await ip("link", "delete", "dev", name);
}

/**
 * Which of the host's veths are a pod's. Of those that the plugin's result names by name and MAC together: after the
 * end of the pod another may have its name.
 * @param veths - what `ip -j link show type veth` printed; it has an empty object for each device of another type
 */
export function hostEndsOf(
  attachment: PodAttachment | null,
  scope: string | null,
  veths: readonly unknown[],
): string[] {
  const given = new Set(interfacesIn(attachment?.result).map(({ name, mac }) => keyOf(name, mac)));
  return veths.flatMap((veth) => {
    const { ifname, address, ifalias } = (veth ?? {}) as Link;
    if (typeof ifname !== "string") return [];
    const isMarked = scope !== null && typeof ifalias === "string" && ifalias.startsWith(scope);
    return isMarked || given.has(keyOf(ifname, address)) ? [ifname] : [];
  });
}

/** Interfaces of a CNI result that are on the host, where the pod's own have a sandbox. */
function interfacesIn(result: unknown): { readonly name?: unknown; readonly mac?: unknown }[] {
  const { interfaces } = (result ?? {}) as { readonly interfaces?: unknown };
  if (!Array.isArray(interfaces)) return [];
  return (interfaces as unknown[])
    .map(
      (one) => (one ?? {}) as { readonly name?: unknown; readonly mac?: unknown; readonly sandbox?: unknown },
    )
    .filter(({ sandbox }) => sandbox === undefined || sandbox === "");
}

function keyOf(name: unknown, mac: unknown): string {
  return JSON.stringify([name, typeof mac === "string" ? mac.toLowerCase() : null]);
}

async function readVeths(): Promise<readonly unknown[]> {
  const stdout = await ip("-j", "link", "show", "type", "veth");
  const links = stdout.trim() === "" ? [] : parseJson(stdout);
  if (!Array.isArray(links)) throw new Error("ip -j link show type veth printed no list");
  return links as unknown[];
}
