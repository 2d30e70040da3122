/** When a device carries packets, which is later than when it is set up. */
import { eventually } from "../eventually.ts";
import type { Namespace } from "./namespace.ts";

/** The kernel works off changes of links at least once a second; the rest is for a busy machine. */
const CARRIER_TIMEOUT_MS = 20_000;
/** Of a veth or a bridge that is up, at both of its ends or with a port. */
const OPERATIONAL = "UP";

/**
 * Waits until these devices of a namespace carry packets. The kernel notes that a link came up up to a second late, and drops
 * until then what is sent there or comes through a port of a bridge. @throws {OverlayError} `ERR_LAB_FAILED`
 */
export async function waitForCarrier(
  namespace: Namespace,
  devices: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const what = `see the carrier of ${devices.join(", ")} in ${namespace.name}`;
  const isCarrying = async (device: string): Promise<boolean> => {
    const shown = await namespace.execChecked(["ip", "-j", "link", "show", "dev", device], { signal });
    const [link] = JSON.parse(shown) as { operstate: string }[];
    return link?.operstate === OPERATIONAL;
  };
  await eventually(async () => (await Promise.all(devices.map(isCarrying))).every(Boolean), {
    what,
    timeoutMs: CARRIER_TIMEOUT_MS,
    signal,
  });
}
