/** Who else has addresses of the host's lease: it carries one network, and two bridges with its gateway answer for one another. */
import type { InterfaceAddress } from "../kernel/addresses.ts";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import { escapeUntrusted } from "../net/untrusted-text.ts";

/** Has addresses of services, which are no network's. */
const LOOPBACK = "lo";

/**
 * Addresses of the lease on other devices than `bridgeName`, with which these are on its network. The subnet's first one does
 * not count: it is the overlay device's.
 */
export function findOccupiers(
  subnet: Ipv4Prefix,
  bridgeName: string | null,
  addresses: readonly InterfaceAddress[],
): readonly InterfaceAddress[] {
  return addresses.filter(
    ({ interfaceName, address }) =>
      interfaceName !== bridgeName &&
      interfaceName !== LOOPBACK &&
      subnet.contains(address) &&
      !address.equals(subnet.address),
  );
}

/** The first of {@link findOccupiers}, or null. */
export function findOccupier(...where: Parameters<typeof findOccupiers>): InterfaceAddress | null {
  return findOccupiers(...where)[0] ?? null;
}

/** The device, its address and the lease, as a part of a sentence. */
export function describeOccupier({ interfaceName, address }: InterfaceAddress, subnet: Ipv4Prefix): string {
  return `device ${escapeUntrusted(interfaceName)} has ${address.toString()} of this host's lease ${subnet.toString()}`;
}
