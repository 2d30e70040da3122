/** The plugin behind its socket: one request at a time, each on the state that the one before has left. */
import type { Logger } from "pino";
import type { LostItems } from "./engine/lost-items.ts";
import { withoutLost } from "./engine/lost-items.ts";
import type { HostLinks, Repair } from "./links/host-links.ts";
import { FIXED_ANSWERS, METHODS } from "./methods.ts";
import { MovedNetworks } from "./moved-networks.ts";
import { RequestFields } from "./protocol/request-fields.ts";
import type { Circumstances, Outcome } from "./refusals.ts";
import { hasMoved, readHostLease, withLease } from "./state/host-lease.ts";
import type { LeaseView } from "./state/host-lease.ts";
import type { Network, PluginState } from "./state/plugin-state.ts";
import type { StateStore } from "./state/state-store.ts";

export interface DockerPluginDeps {
  readonly store: StateStore;
  readonly links: HostLinks;
  readonly subnetFile: string;
  readonly driverName: string;
  readonly log: Logger;
  /** Hears when a network came, went or is another. */
  readonly onNetworks: () => void;
}

export class DockerPlugin {
  readonly #deps: DockerPluginDeps;
  /** Ends when all that was asked so far is done. Its length is bounded by the server's connections. */
  #last: Promise<unknown> = Promise.resolve();
  /** Networks whose subnet another host may have by now. */
  readonly #moved = new MovedNetworks();

  constructor(deps: DockerPluginDeps) {
    this.#deps = deps;
  }

  /** As last saved. */
  get state(): PluginState {
    return this.#deps.store.state;
  }

  /** Whether there is a method of this name, such as `IpamDriver.RequestPool`. */
  has(method: string): boolean {
    return FIXED_ANSWERS.has(method) || METHODS.has(method);
  }

  /**
   * Carries a request out. What it changes is on disk when this resolves.
   * @throws {OverlayError} one sentence for whoever asked Docker
   */
  async answer(method: string, body: string): Promise<Outcome["answer"]> {
    const fixed = FIXED_ANSWERS.get(method);
    if (fixed !== undefined) return fixed;
    const run = METHODS.get(method);
    if (run === undefined) throw new RangeError(`There is no method ${method}`);
    const fields = RequestFields.parse(method, body);
    return await this.#inTurn(async () => {
      const { networks } = this.state;
      const answer = await run(await this.#circumstances(), fields, this.#deps);
      if (this.state.networks !== networks) this.#deps.onNetworks();
      return answer;
    });
  }

  /** Deletes what an earlier run left in the kernel, and makes what is missing; failures are logged. */
  async start(): Promise<void> {
    const { links, log, store } = this.#deps;
    await this.#inTurn(async () => {
      const devices = await links.removeStrays(store.state);
      if (devices > 0) log.info({ devices }, "Devices of endpoints and networks that are no more removed");
    }).catch((err: unknown) => log.error({ err }, "Cannot remove devices of an earlier run"));
  }

  /** Makes bridges as they should be, on the host's lease or where nobody knows the lease. */
  async repair(): Promise<Repair> {
    return await this.#inTurn(async () => {
      const at = await this.#circumstances();
      await this.#deps.store.save(at.state);
      const networks = [...at.state.networks.values()];
      this.#tellMoves(networks, at.view);
      const served = networks.filter((network) => !hasMoved(at.view, network));
      return await this.#deps.links.repair(at.state, served);
    });
  }

  /** Frees what Docker no longer knows; what has changed since it was found stays. */
  async forget(lost: LostItems): Promise<void> {
    const { links, store } = this.#deps;
    await this.#inTurn(async () => {
      await links.disconnect(store.state, lost.endpointIds);
      await store.save(withoutLost(store.state, lost));
    });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#last;
  }

  #tellMoves(networks: readonly Network[], view: LeaseView): void {
    const { moved, back } = this.#moved.look(networks, view);
    const facts = ({ id, lease }: Network): object => ({
      networkId: id,
      subnet: lease.subnet,
      lease: view.lease?.subnet,
    });
    for (const network of moved)
      this.#deps.log.error(
        facts(network),
        "The host's lease is another one than the network's: make the network again",
      );
    for (const network of back) this.#deps.log.info(facts(network), "The host's lease is the network's again");
  }

  async #circumstances(): Promise<Circumstances> {
    const { store, subnetFile, driverName } = this.#deps;
    const view = await readHostLease(subnetFile);
    return { state: withLease(store.state, view), view, driverName };
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(run);
    this.#last = turn.catch(() => undefined); // whoever asked hears of it
    return await turn;
  }
}
