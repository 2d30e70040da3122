/** The plugin's devices in the kernel: one look, one plan, one batch. */
import type { IpCommand } from "../../../kernel/ip-command.ts";
import type { Endpoint, Network, PluginState } from "../state/plugin-state.ts";
import { parseAlias } from "./device-names.ts";
import { findNetwork, findStrays, findUnknownNetwork, findVeth } from "./find-devices.ts";
import { parseDeviceView } from "./host-view.ts";
import type { DeviceView, HostView } from "./host-view.ts";
import { deletion, planNetwork, planVeth } from "./link-plan.ts";
import { clearPlace } from "./place.ts";
import { isInstanceRunning } from "./running-instances.ts";

/** A request is carried out to its end: a kernel that hangs is given up by the deadline of `ip`. */
const NO_ABORT = new AbortController().signal;

/** What repairs came to. */
export interface Repair {
  /** Commands that were run; 0 means that all was as it should be. */
  readonly commands: number;
  /** Indexes of the bridges that are there now. */
  readonly bridgeIndexes: readonly number[];
}

/** Calls must not overlap. Each throws {OverlayError} `ERR_KERNEL_FAILED` when the kernel refuses. */
export class HostLinks {
  readonly #ip: IpCommand;

  constructor(ip: IpCommand) {
    this.#ip = ip;
  }

  /**
   * Makes a new network's bridge, in the place of one that a lost state has left and no container uses. `state` has the
   * network. @throws {OverlayError} `ERR_REQUEST_REFUSED`
   */
  async makeNetwork(state: PluginState, network: Network): Promise<void> {
    const { leftovers, host } = clearPlace(state, network, await this.#look(state));
    const commands = planNetwork(state, network, host);
    await this.#delete(leftovers);
    await this.#ip.apply(commands, NO_ABORT);
  }

  /** Looks whether a network can be made here. @throws {OverlayError} `ERR_REQUEST_REFUSED` */
  async checkPlace(state: PluginState, network: Network): Promise<void> {
    const { host } = clearPlace(state, network, await this.#look(state));
    planNetwork(state, network, host); // throws when the name is somebody else's
  }

  /** Deletes a network's bridge and the veths of its containers, known or not; what is gone is no error. */
  async removeNetwork(state: PluginState, networkId: string): Promise<void> {
    const network = state.networks.get(networkId);
    const host = await this.#look(state);
    await this.#delete(
      network === undefined ? findUnknownNetwork(state, networkId, host) : findNetwork(state, network, host),
    );
  }

  /** Makes a container's veth pair, and the bridge again where it is gone. */
  async connect(state: PluginState, network: Network, endpoint: Endpoint): Promise<void> {
    const host = await this.#look(state);
    const commands = [...planNetwork(state, network, host), ...planVeth(state, network, endpoint, host)];
    await this.#ip.apply(commands, NO_ABORT);
  }

  /** Deletes a container's veth pair, of a known endpoint or not; one that is gone is no error. */
  async disconnect(state: PluginState, endpointId: string): Promise<void> {
    await this.#delete(findVeth(state, endpointId, await this.#look(state)));
  }

  /** Deletes what carries our mark and belongs to nothing we know; resolves with the number of devices. */
  async removeStrays(state: PluginState): Promise<number> {
    const strays = findStrays(state, await this.#look(state));
    await this.#delete(strays);
    return strays.length;
  }

  /** Makes the bridges of these networks as they should be. @throws {OverlayError} the first failure, when all were tried */
  async repair(state: PluginState, networks: readonly Network[]): Promise<Repair> {
    if (networks.length === 0) return { commands: 0, bridgeIndexes: [] };
    const host = await this.#look(state);
    const commands = networks.flatMap((network) => planNetwork(state, network, host));
    await this.#ip.apply(commands, NO_ABORT);
    const after = commands.length === 0 ? host : await this.#look(state);
    const bridges = networks.map(({ bridgeName }) => after.links.get(bridgeName)?.index ?? null);
    return { commands: commands.length, bridgeIndexes: bridges.filter((index) => index !== null) };
  }

  async #delete(names: readonly string[]): Promise<void> {
    await this.#ip.apply(names.map(deletion), NO_ABORT);
  }

  async #look(state: PluginState): Promise<HostView> {
    const devices = parseDeviceView(await this.#ip.read(["-d", "address", "show"], NO_ABORT));
    return { ...devices, runningInstances: await findRunningInstances(devices, state.instanceId) };
  }
}

async function findRunningInstances({ links }: DeviceView, ownId: string): Promise<ReadonlySet<string>> {
  const marks = [...links.values()].flatMap(({ alias }) => parseAlias(alias) ?? []);
  const others = [...new Set(marks.map(({ instanceId }) => instanceId))].filter((id) => id !== ownId);
  const areRunning = await Promise.all(others.map(isInstanceRunning));
  return new Set(others.filter((_, i) => areRunning[i]));
}
