/** From what this host has to the commands that give a network its bridge and a container its veth. Pure. */
import { planAddresses } from "../../../kernel/addresses.ts";
import type { InterfaceAddress } from "../../../kernel/addresses.ts";
import type { BatchCommand } from "../../../kernel/ip-batch.ts";
import type { Link } from "../../../kernel/links.ts";
import { bridgeMac } from "../network-driver.ts";
import { refused } from "../protocol/request-fields.ts";
import type { Endpoint, Network, PluginState } from "../state/plugin-state.ts";
import { endpointsOf } from "../state/plugin-state.ts";
import { containerDevice, defaultBridgeName, formatAlias, hostDevice, parseAlias } from "./device-names.ts";

/** What a look at the host's devices has found. */
export interface HostView {
  /** By name. */
  readonly links: ReadonlyMap<string, Link>;
  readonly addresses: readonly InterfaceAddress[];
  /** Name of the bridge that a device hangs on, by the device's name. */
  readonly masters: ReadonlyMap<string, string>;
}

const HOST_LENGTH = 32;

/**
 * Commands that make the bridge as it should be and put the host's ends of containers onto it; none when all is so.
 * @throws {OverlayError} `ERR_REQUEST_REFUSED` when a device of somebody else has the bridge's name
 */
export function planNetwork(state: PluginState, network: Network, host: HostView): BatchCommand[] {
  const bridge = host.links.get(network.bridgeName);
  if (bridge !== undefined && !isBridgeOf(state, network, bridge)) throw nameTaken(network);
  return [
    ...planBridge(network, bridgeAlias(state, network), bridge),
    ...planBridgeAddress(network, bridge, host),
    ...endpointsOf(state, network.id).flatMap((endpoint) => planPort(state, network, endpoint, host)),
  ];
}

function bridgeAlias({ instanceId }: PluginState, { id }: Network): string {
  return formatAlias({ instanceId, kind: "network", id });
}

/** One with no alias under a name that was made of the id is ours too, from a batch that was cut short. */
function isBridgeOf(state: PluginState, network: Network, { name, kind, alias }: Link): boolean {
  const isCutShort = alias === null && name === defaultBridgeName(network.id);
  return kind === "bridge" && (alias === bridgeAlias(state, network) || isCutShort);
}

function planBridge(network: Network, alias: string, bridge: Link | undefined): BatchCommand[] {
  const { bridgeName: name, lease } = network;
  const mac = bridgeMac(network).toString();
  const mtu = `${lease.overlayMtu}`;
  if (bridge === undefined)
    return [
      ["link", "add", "name", name, "address", mac, "mtu", mtu, "type", "bridge"],
      ["link", "set", "dev", name, "alias", alias, "up"],
    ];
  const words = [
    ...(bridge.mac?.toString() === mac ? [] : ["address", mac]),
    ...(bridge.mtu === lease.overlayMtu ? [] : ["mtu", mtu]),
    ...(bridge.alias === alias ? [] : ["alias", alias]),
    ...(bridge.isUp ? [] : ["up"]),
  ];
  return words.length === 0 ? [] : [["link", "set", "dev", name, ...words]];
}

function planBridgeAddress(network: Network, bridge: Link | undefined, host: HostView): BatchCommand[] {
  const { bridgeName, lease } = network;
  const wanted = { address: lease.gateway, prefixLength: lease.subnet.length };
  const present = host.addresses.filter(({ interfaceIndex }) => interfaceIndex === bridge?.index);
  return planAddresses(bridgeName, wanted, present, () => false);
}

/** A container's host end that fell off the bridge, as all do when it is deleted. */
function planPort(state: PluginState, network: Network, endpoint: Endpoint, host: HostView): BatchCommand[] {
  const device = host.links.get(hostDevice(endpoint.id));
  if (device === undefined || parseAlias(device.alias)?.instanceId !== state.instanceId) return [];
  if (host.masters.get(device.name) === network.bridgeName && device.isUp) return [];
  return [["link", "set", "dev", device.name, "master", network.bridgeName, "up"]];
}

/** Commands that give an endpoint a new veth pair, its host's end on the bridge. */
export function planVeth(
  state: PluginState,
  network: Network,
  endpoint: Endpoint,
  host: HostView,
): BatchCommand[] {
  const [outer, inner] = [hostDevice(endpoint.id), containerDevice(endpoint.id)];
  const mtu = `${network.lease.overlayMtu}`;
  const alias = formatAlias({ instanceId: state.instanceId, kind: "endpoint", id: endpoint.id });
  return [
    ...[outer, inner]
      .filter((name) => host.links.has(name))
      .slice(0, 1)
      .map(removal), // of a join cut short; the pair goes as one
    ["link", "add", "name", outer, "mtu", mtu, "type", "veth"].concat([
      "peer",
      "name",
      inner,
      "mtu",
      mtu,
      "address",
      endpoint.mac.toString(),
    ]),
    ["link", "set", "dev", outer, "alias", alias, "master", network.bridgeName, "up"],
  ];
}

/** Commands that delete what is there of a network: its bridge, and the veths of its containers. */
export function planNetworkRemoval(state: PluginState, network: Network, host: HostView): BatchCommand[] {
  const bridge = host.links.get(network.bridgeName);
  const isOurs = bridge !== undefined && isBridgeOf(state, network, bridge);
  const veths = endpointsOf(state, network.id).flatMap(({ id }) => planVethRemoval(state, id, host));
  return [...veths, ...(isOurs ? [removal(network.bridgeName)] : [])];
}

/** Commands that delete what is there of an endpoint's veth pair: one, or none. */
export function planVethRemoval(
  { instanceId }: PluginState,
  endpointId: string,
  { links }: HostView,
): BatchCommand[] {
  const device = links.get(hostDevice(endpointId));
  const isOurs = device?.alias === null || parseAlias(device?.alias ?? null)?.instanceId === instanceId;
  return device !== undefined && isOurs ? [removal(device.name)] : [];
}

function removal(name: string): BatchCommand {
  return ["link", "del", "dev", name];
}

/** Commands that delete devices with the mark of this plugin that belong to nothing it knows. */
export function planStrayRemoval(state: PluginState, { links }: HostView): BatchCommand[] {
  return [...links.values()].flatMap(({ name, alias }) => {
    const mark = parseAlias(alias);
    if (mark?.instanceId !== state.instanceId) return [];
    const known = mark.kind === "network" ? state.networks : state.endpoints;
    return known.has(mark.id) ? [] : [removal(name)];
  });
}

/**
 * Refuses a new network where another device has the lease's addresses: its containers and ours would answer for one
 * another. An overlay device has the subnet's first address, for itself alone.
 * @throws {OverlayError} `ERR_REQUEST_REFUSED`
 */
export function refuseOccupied({ bridgeName, lease }: Network, host: HostView): void {
  const other = host.addresses.find(
    ({ interfaceName, address, prefixLength }) =>
      interfaceName !== bridgeName &&
      prefixLength < HOST_LENGTH &&
      lease.subnet.contains(address) &&
      !address.equals(lease.subnet.address),
  );
  if (other === undefined) return;
  const { interfaceName, address } = other;
  throw refused(
    `Cannot make the network: device ${interfaceName} has ${address.toString()} of this host's lease ${lease.subnet.toString()}; take that away first (dockerd --bip, a CNI bridge, another network)`,
  );
}

function nameTaken({ bridgeName }: Network): Error {
  return refused(
    `Cannot make the bridge ${bridgeName}: a device of this name is there that is not this network's; remove it, or give another name with -o bridge=NAME`,
  );
}
