/** `twill docker-opts --check`: whether Docker's own bridge is on the subnet that this host has leased. */
import { readSubnetFile } from "../../files/read-subnet-file.ts";
import type { SubnetFile } from "../../files/subnet-file.ts";
import { parseAddresses } from "../../kernel/addresses.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { parseLinks, readDeviceJson } from "../../kernel/links.ts";
import { OverlayError } from "../../net/overlay-error.ts";

/** The bridge that dockerd's `--bip` is about. */
export const DOCKER_BRIDGE = "docker0";

/** Docker's bridge as the kernel has it. */
export interface DockerBridge {
  /** `a.b.c.d/len` of each address. */
  readonly addresses: readonly string[];
}

/** What is wrong with Docker's bridge for this lease, as the end of a sentence, or null. */
export function findBridgeFault(lease: SubnetFile, bridge: DockerBridge | null): string | null {
  const wanted = `${lease.gateway.toString()}/${lease.subnet.length}`;
  if (bridge === null) return `there is no ${DOCKER_BRIDGE}: start Docker`;
  if (bridge.addresses.includes(wanted)) return null;
  const found = bridge.addresses.length === 0 ? "no address" : bridge.addresses.join(", ");
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
  const json = await readDeviceJson(ip, DOCKER_BRIDGE, signal);
  const addresses = parseAddresses(json).map((one) => `${one.address.toString()}/${one.prefixLength}`);
  const fault = findBridgeFault(lease, parseLinks(json).length === 0 ? null : { addresses });
  if (fault !== null) throw new OverlayError("ERR_DOCKER_FAILED", `Cannot use Docker's bridge: ${fault}`);
  return `${DOCKER_BRIDGE} is on the leased subnet ${lease.subnet.toString()}`;
}
