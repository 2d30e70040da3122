/** What the kernel is told of the overlay device by sysctl. A failure costs little, and stops nothing. */
import { readFile, writeFile } from "node:fs/promises";
import type { BackendContext } from "../backend.ts";

/**
 * Lets the kernel take the ICMP errors that the engine writes to the device: their source is the device's own
 * address, and without `accept_local` (ip-sysctl.rst) it drops what comes in with an address of this host.
 * Senders then time out instead of learning that there is no way, so a failure is worth a warning.
 *
 * Only under `strict`, where the engine refuses every source outside the peer's subnet, and so this host's own
 * addresses. Under `count` and `off` the kernel has to: it alone knows them all. That costs the errors.
 */
export async function acceptOwnErrors(
  deviceName: string,
  { sourceCheck, log }: Pick<BackendContext, "sourceCheck" | "log">,
): Promise<void> {
  const acceptLocal = sourceCheck === "strict" ? "1" : "0"; // an earlier run may have left the other
  const path = `/proc/sys/net/ipv4/conf/${deviceName}/accept_local`;
  try {
    // /proc/sys is read-only in most containers, whose engine can set `default` for devices to come.
    if ((await readFile(path, "utf8")).trim() !== acceptLocal) await writeFile(path, acceptLocal);
  } catch (err) {
    log.warn({ err, device: deviceName, acceptLocal }, "Cannot set accept_local of overlay device");
  }
}
