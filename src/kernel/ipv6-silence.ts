/**
 * Keeps IPv6 off devices that carry IPv4 alone. The kernel then sends no neighbour and router packets into them, and whoever
 * is at the other end makes this host take no address and no route: by default it believes the router advertisements of
 * anybody, a container or a peer (CVE-2020-13401).
 */
import { readFile, writeFile } from "node:fs/promises";
import type { Logger } from "pino";
import type { IpCommand } from "./ip-command.ts";

/** Of net.ipv6.conf: the first is for a host on which somebody switches IPv6 on again for every device. */
const SILENT: ReadonlyMap<string, string> = new Map([
  ["accept_ra", "0"],
  ["disable_ipv6", "1"],
]);

function pathOf(deviceName: string, name: string): string {
  return `/proc/sys/net/ipv6/conf/${deviceName}/${name}`;
}

/**
 * Switches IPv6 off on a device, best while that is still down. False when only its own packets could be stopped;
 * nothing else depends on it, so that is no failure.
 */
export async function silenceIpv6(
  ip: IpCommand,
  deviceName: string,
  { log }: { readonly log: Logger },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    for (const [name, value] of SILENT) await writeFile(pathOf(deviceName, name), value);
    return true;
  } catch (err) {
    if (isMissingFile(err)) return true; // the kernel has no IPv6
    // /proc/sys is read-only in most containers; without a link-local address the kernel is nearly as quiet.
    await ip
      .apply([["link", "set", "dev", deviceName, "addrgenmode", "none"]], signal)
      .catch((cause: unknown) =>
        log.debug({ err: cause, device: deviceName }, "Cannot silence IPv6 on device"),
      );
    return false;
  }
}

/** Puts right what somebody changed, where that can be written; resolves with the number of repairs. */
export async function restoreSilence(deviceName: string): Promise<number> {
  const repaired = await Promise.all(
    [...SILENT].map(([name, value]) => restore(pathOf(deviceName, name), value)),
  );
  return repaired.filter(Boolean).length;
}

async function restore(path: string, value: string): Promise<boolean> {
  try {
    if ((await readFile(path, "utf8")).trim() === value) return false;
    await writeFile(path, value);
    return true;
  } catch {
    return false; // no IPv6 in this kernel, or /proc/sys is read-only: `silenceIpv6` has done what can be done
  }
}

function isMissingFile(err: unknown): boolean {
  return err instanceof Error && "code" in err && err.code === "ENOENT";
}
