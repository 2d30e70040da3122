/** From what this host has to the commands that give a network its bridge and a container its veth. Pure. */
import { planAddresses } from "../../../kernel/addresses.ts";
import type { BatchCommand } from "../../../kernel/ip-batch.ts";
import type { Link } from "../../../kernel/links.ts";
import { bridgeMac } from "../network-driver.ts";
import { refused } from "../protocol/request-fields.ts";
import type { Endpoint, Network, PluginState } from "../state/plugin-state.ts";
import { endpointsOf } from "../state/plugin-state.ts";
import { formatAlias, parseAlias } from "../../device-mark.ts";
import { containerDevice, hostDevice } from "./device-names.ts";
import type { HostView } from "./host-view.ts";
import { bridgeAlias, isBridgeOf, isHostEndOf } from "./ownership.ts";
import { refuseOccupied } from "./place.ts";

/** How devices come to be as they should: made, silenced, and only then set up. */
export interface LinkPlan {
  /** Commands that make devices, which stay down. */
  readonly make: readonly BatchCommand[];
  /** Names of the devices that were made. */
  readonly made: readonly string[];
  /** Names of devices that are there and on which IPv6 is on, or may be. */
  readonly loud: readonly string[];
  /** Commands for all else. */
  readonly settle: readonly BatchCommand[];
}

/**
 * Makes the bridge as it should be and puts the host's ends of containers onto it; does nothing when all is so.
 * @throws {OverlayError} `ERR_REQUEST_REFUSED` when a device of somebody else has the bridge's name, or the lease before the
 *   bridge has it, as a CNI bridge may that was made while the plugin did not run
 */
export function planNetwork(state: PluginState, network: Network, host: HostView): LinkPlan {
  const bridge = host.links.get(network.bridgeName);
  if (bridge !== undefined && !isBridgeOf(state, network, bridge)) throw nameTaken(network);
  const hostEnds = endpointsOf(state, network.id).flatMap(({ id }) => hostEndOf(state, id, host) ?? []);
  const present = [...(bridge === undefined ? [] : [bridge]), ...hostEnds];
  const addressing = planBridgeAddress(network, bridge, host);
  if (addressing.length > 0) refuseOccupied(state, network, host);
  return {
    ...(bridge === undefined ? planNewBridge(state, network) : NOTHING_MADE),
    loud: present.filter((link) => isLoud(link, host)).map(({ name }) => name),
    settle: [
      ...planBridge(network, bridgeAlias(state, network), bridge),
      ...addressing,
      ...hostEnds.flatMap((device) => planPort(network, device, host)),
    ],
  };
}

const NOTHING_MADE: Pick<LinkPlan, "make" | "made"> = { make: [], made: [] };

/** One that is down may be from a batch that was cut short. */
function isLoud({ name, isUp }: Link, { ipv6Devices }: HostView): boolean {
  return !isUp || ipv6Devices.has(name);
}

function planNewBridge(state: PluginState, network: Network): Pick<LinkPlan, "make" | "made"> {
  const { bridgeName: name, lease } = network;
  const facts = ["address", bridgeMac(network).toString(), "mtu", `${lease.overlayMtu}`];
  return {
    make: [
      ["link", "add", "name", name, ...facts, "type", "bridge"],
      ["link", "set", "dev", name, "alias", bridgeAlias(state, network)],
    ],
    made: [name],
  };
}

/** @param bridge as it was found; undefined: it is made */
function planBridge(network: Network, alias: string, bridge: Link | undefined): BatchCommand[] {
  const { bridgeName: name, lease } = network;
  if (bridge === undefined) return [["link", "set", "dev", name, "up"]];
  const mac = bridgeMac(network).toString();
  const words = [
    ...(bridge.mac?.toString() === mac ? [] : ["address", mac]),
    ...(bridge.mtu === lease.overlayMtu ? [] : ["mtu", `${lease.overlayMtu}`]),
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

/** The host's end of a known endpoint, when it is there and ours. */
function hostEndOf(state: PluginState, endpointId: string, host: HostView): Link | null {
  const device = host.links.get(hostDevice(endpointId));
  return parseAlias(device?.alias ?? null)?.instanceId === state.instanceId ? (device ?? null) : null;
}

/** A container's host end that fell off the bridge, as all do when it is deleted. */
function planPort({ bridgeName }: Network, device: Link, host: HostView): BatchCommand[] {
  if (host.masters.get(device.name) === bridgeName && device.isUp) return [];
  return [["link", "set", "dev", device.name, "master", bridgeName, "up"]];
}

/**
 * Gives an endpoint a new veth pair, its host's end on the bridge, in the place of one that a join cut short has left.
 * @throws {OverlayError} `ERR_REQUEST_REFUSED` when a device of somebody else has the name of an end
 */
export function planVeth(state: PluginState, network: Network, endpoint: Endpoint, host: HostView): LinkPlan {
  const [outer, inner] = [hostDevice(endpoint.id), containerDevice(endpoint.id)];
  const mtu = ["mtu", `${network.lease.overlayMtu}`];
  const alias = formatAlias({ instanceId: state.instanceId, kind: "endpoint", id: endpoint.id });
  const left = [outer, inner].flatMap((name) => host.links.get(name) ?? []);
  const foreign = left.find((link) => !isHostEndOf(state, endpoint.id, link, host));
  if (foreign !== undefined) throw endTaken(foreign);
  const peer = ["peer", "name", inner, ...mtu, "address", endpoint.mac.toString()];
  return {
    make: [
      ...left.slice(0, 1).map(({ name }) => deletion(name)), // the pair goes as one
      ["link", "add", "name", outer, ...mtu, "type", "veth", ...peer],
      ["link", "set", "dev", outer, "alias", alias],
    ],
    made: [outer], // the container's end is Docker's to set up
    loud: [],
    settle: [["link", "set", "dev", outer, "master", network.bridgeName, "up"]],
  };
}

/**
 * Commands that delete devices. Each by itself costs the kernel some 25 ms, as it waits until nobody uses it any more; a group
 * costs that once: 200 take 0.1 s instead of 5 s.
 * @param group of no device yet
 */
export function planDeletion(names: readonly string[], group: number): BatchCommand[] {
  if (names.length <= 1) return names.map(deletion);
  return [
    ...names.map((name) => ["link", "set", "dev", name, "group", `${group}`]),
    ["link", "del", "group", `${group}`],
  ];
}

function deletion(name: string): BatchCommand {
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
