/** The plugin's devices in the kernel: one look, one plan, one batch. */
import { parseAddresses } from "../../../kernel/addresses.ts";
import type { IpCommand } from "../../../kernel/ip-command.ts";
import { recordsOf, textOf } from "../../../kernel/json-fields.ts";
import { parseLinks } from "../../../kernel/links.ts";
import type { Endpoint, Network, PluginState } from "../state/plugin-state.ts";
import {
  planNetwork,
  planNetworkRemoval,
  planStrayRemoval,
  planVeth,
  planVethRemoval,
  refuseOccupied,
} from "./link-plan.ts";
import type { HostView } from "./link-plan.ts";

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

  /** Makes a new network's bridge. `state` has the network. @throws {OverlayError} `ERR_REQUEST_REFUSED` */
  async makeNetwork(state: PluginState, network: Network): Promise<void> {
    await this.#ip.apply(planNetwork(state, network, await this.#look()), NO_ABORT);
  }

  /** Looks whether a network can be made here. @throws {OverlayError} `ERR_REQUEST_REFUSED` */
  async checkPlace(state: PluginState, network: Network): Promise<void> {
    const host = await this.#look();
    refuseOccupied(network, host);
    planNetwork(state, network, host); // throws when the name is somebody else's
  }

  /** Deletes a network's bridge and the veths of its containers; what is gone is no error. */
  async removeNetwork(state: PluginState, network: Network): Promise<void> {
    await this.#ip.apply(planNetworkRemoval(state, network, await this.#look()), NO_ABORT);
  }

  /** Makes a container's veth pair, and the bridge again where it is gone. */
  async connect(state: PluginState, network: Network, endpoint: Endpoint): Promise<void> {
    const host = await this.#look();
    const commands = [...planNetwork(state, network, host), ...planVeth(state, network, endpoint, host)];
    await this.#ip.apply(commands, NO_ABORT);
  }

  /** Deletes a container's veth pair; one that is gone is no error. */
  async disconnect(state: PluginState, endpointId: string): Promise<void> {
    await this.#ip.apply(planVethRemoval(state, endpointId, await this.#look()), NO_ABORT);
  }

  /** Deletes what carries our mark and belongs to nothing we know; resolves with the number of devices. */
  async removeStrays(state: PluginState): Promise<number> {
    const commands = planStrayRemoval(state, await this.#look());
    await this.#ip.apply(commands, NO_ABORT);
    return commands.length;
  }

  /** Makes the bridges of these networks as they should be. @throws {OverlayError} the first failure, when all were tried */
  async repair(state: PluginState, networks: readonly Network[]): Promise<Repair> {
    if (networks.length === 0) return { commands: 0, bridgeIndexes: [] };
    const host = await this.#look();
    const commands = networks.flatMap((network) => planNetwork(state, network, host));
    await this.#ip.apply(commands, NO_ABORT);
    const after = commands.length === 0 ? host : await this.#look();
    const bridges = networks.map(({ bridgeName }) => after.links.get(bridgeName)?.index ?? null);
    return { commands: commands.length, bridgeIndexes: bridges.filter((index) => index !== null) };
  }

  async #look(): Promise<HostView> {
    const json = await this.#ip.read(["-d", "address", "show"], NO_ABORT);
    const masters = recordsOf(json).flatMap((record): [string, string][] => {
      const [name, master] = [textOf(record, "ifname"), textOf(record, "master")];
      return name === null || master === null ? [] : [[name, master]];
    });
    return {
      links: new Map(parseLinks(json).map((link) => [link.name, link])),
      addresses: parseAddresses(json),
      masters: new Map(masters),
    };
  }
}
