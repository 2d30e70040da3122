/** Devices that keep a network from this host's lease, and the commands that take them away. */
import type { InterfaceAddress } from "../../kernel/addresses.ts";
import type { Link } from "../../kernel/links.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { HostDevices } from "../host-devices.ts";
import { describeOccupier, findOccupier } from "../occupied-lease.ts";
import { parseAlias } from "../device-mark.ts";
import { shortId } from "../short-id.ts";
import { shellWord } from "../shell-word.ts";

/** What is wrong where another device than `bridgeName` has addresses of the lease, and how to mend it; or null. */
export function findRival(subnet: Ipv4Prefix, bridgeName: string | null, host: HostDevices): string | null {
  const rival = findOccupier(subnet, bridgeName, host.addresses);
  if (rival === null) return null;
  const link = host.links.find(({ index }) => index === rival.interfaceIndex);
  return `${describeOccupier(rival, subnet)}, which carries one network; ${removalAdvice(rival, link)}`;
}

function removalAdvice(rival: InterfaceAddress, link: Link | undefined): string {
  const device = shellWord(rival.interfaceName);
  const mark = parseAlias(link?.alias ?? null);
  if (mark?.kind === "network") {
    const id = shellWord(shortId(mark.id));
    return `it is the network plugin's: docker network rm ${id} (where Docker does not know it: twill docker-plugin --forget ${id})`;
  }
  if (link?.kind === "bridge") return `remove it once no container needs it: ip link delete dev ${device}`;
  return `take the address away: ip address delete ${rival.address.toString()}/${rival.prefixLength} dev ${device}`;
}

/** What is wrong where a new network's bridge would find its name taken, and how to mend it; or null. */
export function findNamesake(bridgeName: string, { links }: HostDevices): string | null {
  if (!links.some(({ name }) => name === bridgeName)) return null;
  return (
    `there is a device ${bridgeName} that is no bridge of Docker's; remove it once nobody needs it ` +
    `(ip link delete dev ${bridgeName}), or give another name by --bridge`
  );
}
