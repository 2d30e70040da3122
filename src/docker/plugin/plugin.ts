/** The plugin behind its socket: one request at a time, each on the state that the one before has left. */
import type { Logger } from "pino";
import type { LostItems } from "./engine/lost-items.ts";
import { withoutLost } from "./engine/lost-items.ts";
import type { HostLinks, Repair } from "./links/host-links.ts";
import { FIXED_ANSWERS, METHODS } from "./methods.ts";
import type { Method, Tools } from "./methods.ts";
import { MovedNetworks } from "./moved-networks.ts";
import { PendingAnswer } from "./pending-answer.ts";
import { RequestFields } from "./protocol/request-fields.ts";
import { lateError, queueError } from "./refusals.ts";
import type { Circumstances, Outcome } from "./refusals.ts";
import { Remains } from "./remains.ts";
import { hasMoved, readHostLease, withLease } from "./state/host-lease.ts";
import type { LeaseView } from "./state/host-lease.ts";
import type { Network, PluginState } from "./state/plugin-state.ts";
import type { StateStore } from "./state/state-store.ts";
import { Turns } from "./turns.ts";

/**
 * From the arrival of a request to its answer: its turn, every run of `ip` and the disk included. 2 s are promised; the rest is
 * for the way there and back on a busy host.
 */
export const ANSWER_DEADLINE_MS = 1800;
/** Four times what the server's connections can ask at once: some requests keep their turn after their answer. */
export const MAX_TURNS = 2048;

export interface DockerPluginDeps {
  readonly store: StateStore;
  readonly links: HostLinks;
  readonly subnetFile: string;
  readonly driverName: string;
  readonly log: Logger;
  /** Hears when a network came, went or is another, and when devices are left that are to be deleted. */
  readonly onNetworks: () => void;
}

type Answer = Outcome["answer"];

/** A request that was understood. */
interface Request {
  readonly name: string;
  readonly method: Method;
  readonly fields: RequestFields;
}

export class DockerPlugin {
  readonly #deps: DockerPluginDeps;
  readonly #tools: Tools;
  readonly #turns = new Turns();
  /** Networks whose subnet another host may have by now. */
  readonly #moved = new MovedNetworks();
  /** Whether nothing of an earlier run is left. */
  #isRidOfStrays = false;

  constructor(deps: DockerPluginDeps) {
    this.#deps = deps;
    this.#tools = { store: deps.store, links: deps.links, remains: new Remains(deps.links) };
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
   * Carries a request out, within {@link ANSWER_DEADLINE_MS}. What it changes is on disk when this resolves.
   * @param gone is aborted, with an error, when nobody waits for the answer any more
   * @throws {OverlayError} one sentence for whoever asked Docker
   */
  async answer(name: string, body: string, gone: AbortSignal): Promise<Answer> {
    const fixed = FIXED_ANSWERS.get(name);
    if (fixed !== undefined) return fixed;
    const method = METHODS.get(name);
    if (method === undefined) throw new RangeError(`There is no method ${name}`);
    const request = { name, method, fields: RequestFields.parse(name, body) };
    if (this.#turns.length >= MAX_TURNS) throw queueError(name, MAX_TURNS);
    let hasTurn = false;
    const tooLate = (): Error => lateError(name, ANSWER_DEADLINE_MS, hasTurn, method.takeBack === null);
    const pending = new PendingAnswer<Answer>(ANSWER_DEADLINE_MS, tooLate, gone);
    void this.#turns.take(async () => {
      hasTurn = true;
      await this.#carryOut(request, pending);
    });
    return await pending.heard;
  }

  /** Deletes what an earlier run left in the kernel; what cannot be deleted now is left to repairs, and logged. */
  async start(): Promise<void> {
    await this.#turns
      .take(() => this.#removeStrays())
      .catch((err: unknown) =>
        this.#deps.log.error({ err }, "Cannot remove devices of an earlier run, will retry"),
      );
  }

  /** Makes bridges as they should be, on the host's lease or where nobody knows the lease, and deletes what could not be. */
  async repair(): Promise<Repair> {
    return await this.#turns.take(async () => {
      const at = await this.#circumstances();
      await this.#deps.store.save(at.state);
      const networks = [...at.state.networks.values()];
      this.#tellMoves(networks, at.view);
      const served = networks.filter((network) => !hasMoved(at.view, network));
      const repair = await this.#deps.links.repair(at.state, served);
      // After it: a host that hangs is given up once, and what cannot be deleted keeps no bridge from being repaired.
      const left = await this.#removeLeft().then(
        () => [],
        (err: unknown) => [err],
      );
      return { ...repair, failures: [...repair.failures, ...left] };
    });
  }

  async #removeLeft(): Promise<void> {
    if (!this.#isRidOfStrays) await this.#removeStrays();
    await this.#tools.remains.remove(this.state);
  }

  async #removeStrays(): Promise<void> {
    const { links, log } = this.#deps;
    const devices = await links.removeStrays(this.state);
    this.#isRidOfStrays = true;
    if (devices > 0) log.info({ devices }, "Devices of endpoints and networks that are no more removed");
  }

  /** Frees what Docker no longer knows; what has changed since it was found stays. */
  async forget(lost: LostItems): Promise<void> {
    const { links, store } = this.#deps;
    await this.#turns.take(async () => {
      await links.disconnect(store.state, lost.endpointIds);
      await store.save(withoutLost(store.state, lost));
    });
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#turns.idle();
  }

  /** In the request's turn. Never rejects: who waits hears how it went, and when nobody waits, the log. */
  async #carryOut({ name, method, fields }: Request, pending: PendingAnswer<Answer>): Promise<void> {
    if (!pending.isOpen && method.takeBack !== null) return;
    const { log, onNetworks } = this.#deps;
    const before = this.state;
    try {
      const answer = await method.run(await this.#circumstances(), fields, this.#tools);
      if (!pending.give(answer)) await this.#finishUnheard({ name, method, fields }, before);
    } catch (err) {
      if (!pending.refuse(err))
        log.error({ err, method: name }, "Cannot finish a request whose answer was late");
    }
    if (this.state.networks !== before.networks || !this.#tools.remains.isEmpty) onNetworks();
  }

  async #finishUnheard({ name, method, fields }: Request, before: PluginState): Promise<void> {
    await method.takeBack?.(before, fields, this.#tools);
    const isTakenBack = method.takeBack !== null;
    this.#deps.log.warn({ method: name, isTakenBack }, "Request finished after its answer");
  }

  #tellMoves(networks: readonly Network[], view: LeaseView): void {
    const { log } = this.#deps;
    const { moved, back } = this.#moved.look(networks, view);
    const facts = ({ id, lease }: Network): object => ({
      networkId: id,
      subnet: lease.subnet,
      lease: view.lease?.subnet,
    });
    for (const network of moved)
      log.error(facts(network), "The host's lease is another one than the network's: make the network again");
    for (const network of back) log.info(facts(network), "The host's lease is the network's again");
  }

  async #circumstances(): Promise<Circumstances> {
    const { store, subnetFile, driverName } = this.#deps;
    const view = await readHostLease(subnetFile);
    return { state: withLease(store.state, view), view, driverName };
  }
}
