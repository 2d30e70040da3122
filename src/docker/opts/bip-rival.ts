/** Another device on the lease that dockerd's `--bip` is to have. */
import type { InterfaceAddress } from "../../kernel/addresses.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { shellWord } from "../shell-word.ts";
import { describeOccupier, findOccupier } from "../occupied-lease.ts";

/** The bridge that dockerd's `--bip` is about. */
export const DOCKER_BRIDGE = "docker0";

/** What is wrong where a device has addresses of the lease beside Docker's bridge, and how to mend it; or null. */
export function findBipRival(subnet: Ipv4Prefix, addresses: readonly InterfaceAddress[]): string | null {
  const rival = findOccupier(subnet, DOCKER_BRIDGE, addresses);
  if (rival === null) return null;
  const { interfaceName, address, prefixLength } = rival;
  return (
    `${describeOccupier(rival, subnet)}, which carries one network; run dockerd without --bip, or remove that network first ` +
    `(docker network rm), or the address: ip address delete ${address.toString()}/${prefixLength} dev ${shellWord(interfaceName)}`
  );
}
