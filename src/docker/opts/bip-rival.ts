/** Another device on the lease that dockerd's `--bip` is to have. */
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { DOCKER_BRIDGE, describeRival } from "../../net/lease-rival.ts";
import type { HostDevices } from "../host-devices.ts";
import { findRival } from "../occupied-lease.ts";

/** What is wrong where a device has addresses of the lease beside Docker's bridge, and how to mend it; or null. */
export function findBipRival(subnet: Ipv4Prefix, host: HostDevices): string | null {
  const rival = findRival(subnet, DOCKER_BRIDGE, host);
  return rival === null ? null : describeRival(rival, subnet, "run dockerd without --bip");
}
