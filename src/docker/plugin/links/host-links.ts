/** The plugin's devices in the kernel: one look, one plan, and what it says in as few batches as can be. */
import { randomInt } from "node:crypto";
import type { Logger } from "pino";
import type { IpCommand } from "../../../kernel/ip-command.ts";
import { restoreSilence, silenceIpv6 } from "../../../kernel/ipv6-silence.ts";
import type { Endpoint, HostLease, Network, PluginState } from "../state/plugin-state.ts";
import { parseAlias } from "../../device-mark.ts";
import {
  devicesOfNetwork,
  strayDevices,
  devicesOfUnknownNetwork,
  devicesOfEndpoint,
} from "./find-devices.ts";
import { parseDeviceView } from "./host-view.ts";
import type { DeviceView, HostView } from "./host-view.ts";
import { planDeletion, planNetwork, planVeth } from "./link-plan.ts";
import type { LinkPlan } from "./link-plan.ts";
import { clearPlace } from "./place.ts";
import { rivalOwner } from "./ownership.ts";
import { LINK_ROUTES, refuseRouted } from "./pool-routes.ts";
import { isInstanceRunning } from "./running-instances.ts";

/** A request is carried out to its end: a kernel that hangs is given up by the deadline of `ip`. */
const NO_ABORT = new AbortController().signal;

/** Device groups that are for nobody to choose by hand: the number has 32 bits, and who uses it takes a small one. */
const [FIRST_GROUP, END_OF_GROUPS] = [2 ** 24, 2 ** 31];

/** What repairs came to. */
export interface Repair {
  /** What had to be changed; 0 means that all was as it should be. */
  readonly changes: number;
  /** Indexes of the devices that have the names of bridges now. */
  readonly bridgeIndexes: readonly number[];
  /** Why networks could not be repaired; each is an error for people. */
  readonly failures: readonly unknown[];
}

/** Calls must not overlap. Each throws {OverlayError} `ERR_KERNEL_FAILED` when the kernel refuses. */
export class HostLinks {
  readonly #ip: IpCommand;
  readonly #log: Logger;
  #isLoudTold = false;

  constructor(ip: IpCommand, log: Logger) {
    this.#ip = ip;
    this.#log = log;
  }

  /**
   * Looks whether a network, which `state` has, can be made here. Resolves with what makes its bridge, in the place of one
   * that a lost state has left and no container uses; as long as nothing else is asked of this object.
   * @throws {OverlayError} `ERR_REQUEST_REFUSED`
   */
  async prepareNetwork(state: PluginState, network: Network): Promise<() => Promise<void>> {
    const { leftovers, host } = clearPlace(state, network, await this.#look(state));
    const plan = planNetwork(state, network, host);
    return async () => {
      await this.#delete(leftovers);
      await this.#carryOut(plan);
    };
  }

  /**
   * Looks whether Docker would take the lease as a pool that it has not named itself. What a lost state has left on it goes,
   * whether anybody hears the answer or not: it is nobody's.
   * @throws {OverlayError} `ERR_REQUEST_REFUSED`
   */
  async checkPool(state: PluginState, lease: HostLease): Promise<void> {
    const { leftovers, host } = clearPlace(state, { bridgeName: null, lease }, await this.#look(state));
    await this.#delete(leftovers);
    const routes = await this.#ip.read(LINK_ROUTES, NO_ABORT);
    refuseRouted(lease.subnet, routes, (device) => rivalOwner(state, device, host));
  }

  /** Deletes a network's bridge and the veths of its containers, known or not; what is gone is no error. */
  async removeNetwork(state: PluginState, networkId: string): Promise<void> {
    const network = state.networks.get(networkId);
    const host = await this.#look(state);
    await this.#delete(
      network === undefined
        ? devicesOfUnknownNetwork(state, networkId, host)
        : devicesOfNetwork(state, network, host),
    );
  }

  /** Makes a container's veth pair, and the bridge again where it is gone. */
  async connect(state: PluginState, network: Network, endpoint: Endpoint): Promise<void> {
    const host = await this.#look(state);
    const [bridge, veth] = [planNetwork(state, network, host), planVeth(state, network, endpoint, host)];
    await this.#carryOut({
      make: [...bridge.make, ...veth.make],
      made: [...bridge.made, ...veth.made],
      loud: bridge.loud.filter((name) => !veth.made.includes(name)),
      settle: [...bridge.settle, ...veth.settle],
    });
  }

  /** Deletes containers' veth pairs, of known endpoints or not; one that is gone is no error. */
  async disconnect(state: PluginState, endpointIds: readonly string[]): Promise<void> {
    const host = await this.#look(state);
    await this.#delete(endpointIds.flatMap((id) => devicesOfEndpoint(state, id, host)));
  }

  /** Deletes what carries our mark and belongs to nothing we know; resolves with the number of devices. */
  async removeStrays(state: PluginState): Promise<number> {
    const strays = strayDevices(state, await this.#look(state));
    await this.#delete(strays);
    return strays.length;
  }

  /** Makes the bridges of these networks as they should be. One that cannot be does not keep the others from it. */
  async repair(state: PluginState, networks: readonly Network[]): Promise<Repair> {
    if (networks.length === 0) return { changes: 0, bridgeIndexes: [], failures: [] };
    const host = await this.#look(state);
    const failures: unknown[] = [];
    let changes = 0;
    for (const network of networks) {
      try {
        changes += await this.#carryOut(planNetwork(state, network, host));
      } catch (err) {
        failures.push(err);
      }
    }
    const after = changes + failures.length === 0 ? host : await this.#look(state);
    const indexes = networks.map(({ bridgeName }) => after.links.get(bridgeName)?.index ?? null);
    return { changes, bridgeIndexes: indexes.filter((index) => index !== null), failures };
  }

  /** Resolves with the number of changes. */
  async #carryOut({ make, made, loud, settle }: LinkPlan): Promise<number> {
    await this.#ip.apply(make, NO_ABORT);
    for (const name of made) await this.#silence(name);
    const restored = await Promise.all(loud.map(restoreSilence));
    await this.#ip.apply(settle, NO_ABORT);
    return [make.length, settle.length, ...restored].reduce((sum, count) => sum + count);
  }

  async #delete(names: readonly string[]): Promise<void> {
    await this.#ip.apply(planDeletion(names, randomInt(FIRST_GROUP, END_OF_GROUPS)), NO_ABORT);
  }

  async #silence(device: string): Promise<void> {
    const log = this.#log;
    if ((await silenceIpv6(this.#ip, device, { log }, NO_ABORT)) || this.#isLoudTold) return;
    this.#isLoudTold = true;
    log.warn(
      { device },
      "Cannot switch IPv6 off on bridges and veths: this host heeds router advertisements of containers",
    );
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
