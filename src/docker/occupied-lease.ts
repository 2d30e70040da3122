/** Who else has addresses of the host's lease. */
import type { InterfaceAddress } from "../kernel/addresses.ts";
import type { Link } from "../kernel/links.ts";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import type { LeaseRival, RivalOwner } from "../net/lease-rival.ts";
import { parseAlias } from "./device-mark.ts";
import type { HostDevices } from "./host-devices.ts";
import { shortId } from "./short-id.ts";

/** Has addresses of services, which are no network's. */
const LOOPBACK = "lo";

/** The first device on the lease beside `bridgeName`, or null. */
export function findRival(
  subnet: Ipv4Prefix,
  bridgeName: string | null,
  { links, addresses }: HostDevices,
): LeaseRival | null {
  const [first] = findOccupiers(subnet, bridgeName, addresses);
  if (first === undefined) return null;
  return rivalBy(first, ownerOf(links.find(({ index }) => index === first.interfaceIndex)));
}

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

/** The rival that has this address. */
export function rivalBy(
  { interfaceName, address, prefixLength }: InterfaceAddress,
  owner: RivalOwner,
): LeaseRival {
  return { device: interfaceName, claim: { kind: "address", address, prefixLength }, owner };
}

/** What a device is by its kind and its mark; undefined: it is gone by now. */
export function ownerOf(link: Link | undefined): RivalOwner {
  if (link === undefined) return { kind: "unknown" };
  const mark = parseAlias(link.alias);
  if (mark?.kind === "network") return { kind: "plugin-network", network: shortId(mark.id) };
  return { kind: link.kind === "bridge" ? "bridge" : "device" };
}
