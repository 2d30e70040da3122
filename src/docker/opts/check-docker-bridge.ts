/** `twill docker-opts --check`: whether Docker's own bridge, and no other, is on the subnet that this host has leased. */
import { readSubnetFile } from "../../files/read-subnet-file.ts";
import type { SubnetFile } from "../../files/subnet-file.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { DOCKER_BRIDGE } from "../../net/lease-rival.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { readHostDevices } from "../host-devices.ts";
import type { HostDevices } from "../host-devices.ts";
import { findBipRival } from "./bip-rival.ts";

/** What is wrong with Docker's bridge for this lease, as the end of a sentence, or null. */
export function findBridgeFault(lease: SubnetFile, host: HostDevices): string | null {
  const { links, addresses } = host;
  if (!links.some(({ name }) => name === DOCKER_BRIDGE)) return `there is no ${DOCKER_BRIDGE}: start Docker`;
  const wanted = `${lease.gateway.toString()}/${lease.subnet.length}`;
  const present = addresses
    .filter(({ interfaceName }) => interfaceName === DOCKER_BRIDGE)
    .map(({ address, prefixLength }) => `${address.toString()}/${prefixLength}`);
  if (present.includes(wanted)) return findBipRival(lease.subnet, host);
  const found = present.length === 0 ? "no address" : present.join(", ");
  return (
    `${DOCKER_BRIDGE} has ${found} and the lease is ${wanted}, so no other host reaches its containers: ` +
    "give dockerd the options of `twill docker-opts` and restart Docker"
  );
}

/**
 * Compares the two; resolves with a sentence when they agree.
 * @throws {OverlayError} `ERR_DOCKER_FAILED` when they do not; `ERR_LEASE_MISSING`, `ERR_FILE_FAILED`, `ERR_KERNEL_FAILED`
 */
export async function checkDockerBridge(
  subnetFile: string,
  ip: IpCommand,
  signal: AbortSignal,
): Promise<string> {
  const lease = await readSubnetFile(subnetFile);
  const fault = findBridgeFault(lease, await readHostDevices(ip, signal));
  if (fault !== null) throw new OverlayError("ERR_DOCKER_FAILED", `Cannot use Docker's bridge: ${fault}`);
  return `${DOCKER_BRIDGE} is on the leased subnet ${lease.subnet.toString()}`;
}
