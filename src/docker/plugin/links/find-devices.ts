/** From what this host has to the names of those devices of the plugin that are to be deleted. Pure. */
import type { Link } from "../../../kernel/links.ts";
import type { Network, PluginState } from "../state/plugin-state.ts";
import { endpointsOf } from "../state/plugin-state.ts";
import { parseAlias } from "../../device-mark.ts";
import { hostDevice } from "./device-names.ts";
import type { HostView } from "./host-view.ts";
import { isBridgeOf, isCutShort, isHostEndOf, isOrphan } from "./ownership.ts";

/** What is there of a network: the veths of its containers, and its bridge. */
export function devicesOfNetwork(state: PluginState, network: Network, host: HostView): string[] {
  const bridge = host.links.get(network.bridgeName);
  const isOurs = bridge !== undefined && isBridgeOf(state, network, bridge);
  const veths = endpointsOf(state, network.id).flatMap(({ id }) => devicesOfEndpoint(state, id, host));
  return [...veths, ...(isOurs ? [network.bridgeName] : [])];
}

/** What is there of an endpoint's veth pair: one name, or none. The endpoint need not be known. */
export function devicesOfEndpoint(state: PluginState, endpointId: string, host: HostView): string[] {
  const device = host.links.get(hostDevice(endpointId));
  return device !== undefined && isHostEndOf(state, endpointId, device, host) ? [device.name] : [];
}

/** What is there of a network that the state does not know, by the id in its bridge's mark, or in its name without one. */
export function devicesOfUnknownNetwork(state: PluginState, networkId: string, host: HostView): string[] {
  const bridges = [...host.links.values()].filter((link) => {
    const mark = parseAlias(link.alias);
    const isMarked = mark?.kind === "network" && mark.id === networkId && isOrphan(state, mark, host);
    return isMarked || isCutShort(networkId, link);
  });
  return bridges.flatMap((bridge) => withItsVeths(bridge, host));
}

/** A marked bridge, after the veths on it that have a mark of the same plugin. */
export function withItsVeths(bridge: Link, host: HostView): string[] {
  const instanceId = parseAlias(bridge.alias)?.instanceId;
  const veths = [...host.links.values()].filter(({ name, alias }) => {
    const mark = parseAlias(alias);
    const isMarked = mark?.kind === "endpoint" && mark.instanceId === instanceId;
    return isMarked && host.masters.get(name) === bridge.name;
  });
  return [...veths, bridge].map(({ name }) => name);
}

/** Devices with the mark of this plugin that belong to nothing it knows. */
export function strayDevices(state: PluginState, host: HostView): string[] {
  return [...host.links.values()].flatMap(({ name, alias }) => {
    const mark = parseAlias(alias);
    return mark?.instanceId === state.instanceId && isOrphan(state, mark, host) ? [name] : [];
  });
}
