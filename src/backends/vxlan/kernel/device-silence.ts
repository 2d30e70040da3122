/** Keeps IPv6 off the overlay device: it carries IPv4 alone, and a router advertisement from a peer must do nothing. */
import { readFile, writeFile } from "node:fs/promises";
import { silenceIpv6 } from "../../tunnel/device-sysctls.ts";
import type { DeviceDeps } from "./vxlan-device.ts";

/** Of net.ipv6.conf: flannel sets the first; without IPv6 nothing is left that could heed an advertisement. */
const SILENT: ReadonlyMap<string, string> = new Map([
  ["accept_ra", "0"],
  ["disable_ipv6", "1"],
]);

function pathOf(deviceName: string, name: string): string {
  return `/proc/sys/net/ipv6/conf/${deviceName}/${name}`;
}

/** For a device that is still down. Failing here is no failure: the firewall and the routes do not depend on it. */
export async function silence(
  { ip, log }: DeviceDeps,
  deviceName: string,
  signal: AbortSignal,
): Promise<void> {
  await writeFile(pathOf(deviceName, "accept_ra"), "0").catch(() => undefined); // as below, which says so
  await silenceIpv6(ip, deviceName, { log }, signal);
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
    return false; // no IPv6 in this kernel, or /proc/sys is read-only: `silence` has done what can be done
  }
}
