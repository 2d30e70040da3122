/** The place of a new network: its bridge's name and the lease's addresses. What has them goes, or is named. Pure. */
import type { InterfaceAddress } from "../../../kernel/addresses.ts";
import type { Link } from "../../../kernel/links.ts";
import { describeRival } from "../../../net/lease-rival.ts";
import { findOccupiers, rivalBy } from "../../occupied-lease.ts";
import { refused } from "../protocol/request-fields.ts";
import type { Network, PluginState } from "../state/plugin-state.ts";
import { parseAlias } from "../../device-mark.ts";
import { withItsVeths } from "./find-devices.ts";
import type { HostView } from "./host-view.ts";
import { isLeftHere, rivalOwner } from "./ownership.ts";

/** What a network takes up; without a bridge's name the lease alone. */
export interface WantedPlace extends Pick<Network, "lease"> {
  readonly bridgeName: string | null;
}

/** How a place is made free. */
export interface Clearing {
  /** Names of the devices that may go. */
  readonly leftovers: readonly string[];
  /** The host without them. */
  readonly host: HostView;
}

/**
 * Takes what a lost state of this directory has left of a network, and no container uses, out of the way of a new one.
 * @throws {OverlayError} `ERR_REQUEST_REFUSED` when another device has the lease's addresses: its containers and ours would
 *   answer for one another
 */
export function clearPlace(state: PluginState, network: WantedPlace, host: HostView): Clearing {
  const inTheWay = new Set<string | null>([
    network.bridgeName,
    ...occupiers(network, host).map((one) => one.interfaceName),
  ]);
  const bridges = [...host.links.values()].filter(
    (link) => inTheWay.has(link.name) && isLeftover(state, link, host) && !isUsed(link, host),
  );
  const leftovers = bridges.flatMap((bridge) => withItsVeths(bridge, host));
  const after = withoutDevices(host, new Set(leftovers));
  refuseOccupied(state, network, after);
  return { leftovers, host: after };
}

function isLeftover(state: PluginState, { kind, alias }: Link, host: HostView): boolean {
  const mark = parseAlias(alias);
  return kind === "bridge" && mark?.kind === "network" && isLeftHere(state, mark, host);
}

/** A container is at the other end of a veth on the bridge, or somebody has put something on the bridge. */
function isUsed({ name, alias }: Link, { links, masters, partners }: HostView): boolean {
  const instanceId = parseAlias(alias)?.instanceId;
  const isFree = (port: string): boolean => {
    const mark = parseAlias(links.get(port)?.alias ?? null);
    return mark?.kind === "endpoint" && mark.instanceId === instanceId && partners.has(port);
  };
  const ports = [...masters].flatMap(([port, master]) => (master === name ? [port] : []));
  return !ports.every(isFree) || [...partners.values()].includes(name);
}

function withoutDevices(host: HostView, names: ReadonlySet<string>): HostView {
  return {
    ...host,
    links: new Map([...host.links].filter(([name]) => !names.has(name))),
    addresses: host.addresses.filter(({ interfaceName }) => !names.has(interfaceName)),
  };
}

function occupiers({ bridgeName, lease }: WantedPlace, { addresses }: HostView): readonly InterfaceAddress[] {
  return findOccupiers(lease.subnet, bridgeName, addresses);
}

/** @throws {OverlayError} `ERR_REQUEST_REFUSED` when another device has the lease's addresses */
export function refuseOccupied(state: PluginState, network: WantedPlace, host: HostView): void {
  const [other] = occupiers(network, host);
  if (other === undefined) return;
  const rival = rivalBy(other, rivalOwner(state, other.interfaceName, host));
  throw refused(`Cannot make the network: ${describeRival(rival, network.lease.subnet)}`);
}
