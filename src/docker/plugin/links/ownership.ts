/**
 * Whose a device is. Docker's ids are random and long enough to be the proof: who names one is the engine that made it. A
 * device is this plugin's by the mark of its instance, and anybody's to delete who is asked to delete what its mark names, as
 * long as the plugin that wrote the mark does not run: after its state was lost nobody else is left to do it. Unasked, a plugin
 * deletes only what was left by a state of its own directory: another directory's plugin may start again and miss it. Pure.
 */
import type { Link } from "../../../kernel/links.ts";
import type { RivalOwner } from "../../../net/lease-rival.ts";
import type { Network, PluginState } from "../state/plugin-state.ts";
import { formatAlias, parseAlias } from "../../device-mark.ts";
import { compareDirectories } from "../state/instance-id.ts";
import { defaultBridgeName } from "./device-names.ts";
import type { DeviceMark } from "../../device-mark.ts";
import { ownerOf } from "../../occupied-lease.ts";
import type { HostView } from "./host-view.ts";

export function bridgeAlias({ instanceId }: PluginState, { id }: Network): string {
  return formatAlias({ instanceId, kind: "network", id });
}

export function isBridgeOf(state: PluginState, network: Network, link: Link): boolean {
  return (
    (link.kind === "bridge" && link.alias === bridgeAlias(state, network)) || isCutShort(network.id, link)
  );
}

/** Whether a bridge is a network's from a batch that was cut short: its name is made of the id, and it has no alias yet. */
export function isCutShort(networkId: string, { name, kind, alias }: Link): boolean {
  return kind === "bridge" && alias === null && name === defaultBridgeName(networkId);
}

/** Whether a device with the name of an endpoint's host end is that. One with no alias is, as with {@link isCutShort}. */
export function isHostEndOf(state: PluginState, endpointId: string, link: Link, host: HostView): boolean {
  if (link.kind !== "veth") return false;
  if (link.alias === null) return true;
  const mark = parseAlias(link.alias);
  if (mark?.kind !== "endpoint" || mark.id !== endpointId) return false;
  return mark.instanceId === state.instanceId || isOrphan(state, mark, host);
}

/** Whether nobody has what the mark names any more: this plugin does not know it, and no other one that wrote it runs. */
export function isOrphan(state: PluginState, mark: DeviceMark, { runningInstances }: HostView): boolean {
  if (mark.instanceId !== state.instanceId) return !runningInstances.has(mark.instanceId);
  return !(mark.kind === "network" ? state.networks : state.endpoints).has(mark.id);
}

/** Whether what the mark names was this state's, or that of one that this directory has lost, and nobody has it any more. */
export function isLeftHere(state: PluginState, mark: DeviceMark, host: HostView): boolean {
  return isOrphan(state, mark, host) && compareDirectories(state.instanceId, mark.instanceId) === "same";
}

/** What a device on the lease is, as this plugin sees it. */
export function rivalOwner(state: PluginState, device: string, host: HostView): RivalOwner {
  const link = host.links.get(device);
  const owner = ownerOf(link);
  const mark = parseAlias(link?.alias ?? null);
  if (owner.kind !== "plugin-network" || mark === null) return owner;
  if (isLeftHere(state, mark, host)) return { ...owner, kind: "lost-network" };
  if (mark.instanceId === state.instanceId) return owner;
  const isUnknown =
    !host.runningInstances.has(mark.instanceId) && // two that run have a directory each
    compareDirectories(state.instanceId, mark.instanceId) === "unknown";
  return { ...owner, kind: isUnknown ? "unknown-plugin" : "other-plugin" };
}
