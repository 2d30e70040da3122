/** From what this host has to the commands that give a network its bridge and a container its veth. Pure. */
import { planAddresses } from "../../../kernel/addresses.ts";
import type { BatchCommand } from "../../../kernel/ip-batch.ts";
import type { Link } from "../../../kernel/links.ts";
import { bridgeMac } from "../network-driver.ts";
import { refused } from "../protocol/request-fields.ts";
import type { Endpoint, Network, PluginState } from "../state/plugin-state.ts";
import { endpointsOf } from "../state/plugin-state.ts";
import { containerDevice, formatAlias, hostDevice, parseAlias } from "./device-names.ts";
import type { HostView } from "./host-view.ts";
import { bridgeAlias, isBridgeOf, isHostEndOf } from "./ownership.ts";

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

/**
 * Commands that give an endpoint a new veth pair, its host's end on the bridge, in the place of one that a join cut short
 * has left.
 * @throws {OverlayError} `ERR_REQUEST_REFUSED` when a device of somebody else has the name of an end
 */
export function planVeth(
  state: PluginState,
  network: Network,
  endpoint: Endpoint,
  host: HostView,
): BatchCommand[] {
  const [outer, inner] = [hostDevice(endpoint.id), containerDevice(endpoint.id)];
  const mtu = `${network.lease.overlayMtu}`;
  const alias = formatAlias({ instanceId: state.instanceId, kind: "endpoint", id: endpoint.id });
  const left = [outer, inner].flatMap((name) => host.links.get(name) ?? []);
  const foreign = left.find((link) => !isHostEndOf(state, endpoint.id, link, host));
  if (foreign !== undefined) throw endTaken(foreign);
  return [
    ...left.slice(0, 1).map(({ name }) => deletion(name)), // the pair goes as one
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

/** The command that deletes a device, with its other end where it has one. */
export function deletion(name: string): BatchCommand {
  return ["link", "del", "dev", name];
}

function nameTaken({ bridgeName }: Network): Error {
  return refused(
    `Cannot make the bridge ${bridgeName}: a device of this name is there that is not this network's; remove it (ip link del ${bridgeName}), or give another name with -o bridge=NAME`,
  );
}

function endTaken({ name }: Link): Error {
  return refused(
    `Cannot connect the container: a device ${name} is there that is not this endpoint's; remove it: ip link del ${name}`,
  );
}
