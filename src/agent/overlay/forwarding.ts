/** Keeps the backend as it should be: open for the node's subnet, sending to the peers, and whole in the kernel. */
import type { Logger } from "pino";
import type { Backend } from "../../backends/backend.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { reasonOf } from "../../net/reason-of.ts";
import type { PeerSet } from "../../peers/peer.ts";
import { Upkeep } from "../loops/upkeep.ts";

/** Repairs what was broken in the kernel without an event that we heard. */
export const AUDIT_EVERY_MS = 30_000;

export interface ForwardingDeps {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hears after each attempt why it failed, or null when the backend is open for `subnet` and has `peers`. */
  readonly onOutcome: (outcome: ForwardingOutcome) => void;
}

/** What one attempt came to; `subnet` is null when forwarding is to be stopped, `peers` while they are not known. */
export interface ForwardingOutcome {
  readonly problem: string | null;
  readonly subnet: Ipv4Prefix | null;
  readonly peers: PeerSet | null;
}

/** Runs one change of the backend at a time, always towards the newest wish. */
export class Forwarding {
  readonly #deps: ForwardingDeps;
  readonly #upkeep: Upkeep;
  #openFor: Ipv4Prefix | null = null;
  /** Of the last sync that worked; null before the first. */
  #syncedPeers: PeerSet | null = null;
  #subnet: Ipv4Prefix | null = null;
  #peers: PeerSet | null = null;

  constructor(deps: ForwardingDeps) {
    this.#deps = deps;
    const task = {
      apply: (signal: AbortSignal) => this.#applyWish(signal),
      audit: (signal: AbortSignal) => this.#audit(signal),
      canAudit: () => this.#syncedPeers !== null,
      onFailure: (err: unknown) => this.#tell(reasonOf(err)),
      failureText: "Cannot bring forwarding up to date, will retry",
      recoveryText: "Forwarding is up to date again",
    };
    this.#upkeep = new Upkeep(task, deps, AUDIT_EVERY_MS);
  }

  /** The node's subnet from now on; null stops forwarding. */
  wantSubnet(subnet: Ipv4Prefix | null): void {
    this.#subnet = subnet;
    this.#upkeep.wish();
  }

  /** The peers from now on. Before the first call what an earlier run left stays as it is. */
  wantPeers(peers: PeerSet): void {
    this.#peers = peers;
    this.#upkeep.wish();
  }

  /** Something in the kernel has changed: compare soon. */
  doubt(): void {
    this.#upkeep.doubt();
  }

  /** One attempt to make the backend as wished; at start, where a failure is the end. @throws what failed */
  async apply(signal: AbortSignal): Promise<void> {
    await this.#upkeep.apply(signal);
  }

  /** Applies every wish, retries what failed, and audits when it is time to, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#upkeep.run(signal);
  }

  async #applyWish(signal: AbortSignal): Promise<void> {
    const subnet = this.#subnet;
    const peers = this.#peers;
    const isOpen = this.#openFor !== null && subnet !== null && this.#openFor.equals(subnet);
    if (this.#openFor !== null && !isOpen) await this.#withdraw(signal);
    if (subnet !== null) {
      if (!isOpen) await this.#open(subnet, signal);
      if (peers !== null) await this.#sync(peers, signal);
    }
    this.#deps.onOutcome({ problem: null, subnet, peers });
  }

  /** A repair may have made another device, or other peers direct: whoever hears of outcomes looks again. */
  async #audit(signal: AbortSignal): Promise<number> {
    const repairs = await this.#deps.backend.audit(signal);
    if (repairs > 0) this.#deps.onOutcome({ problem: null, subnet: this.#openFor, peers: this.#syncedPeers });
    return repairs;
  }

  async #open(subnet: Ipv4Prefix, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.backend.open(subnet, signal);
      this.#openFor = subnet;
    } catch (err) {
      await this.close(); // what it has made so far, so the next attempt starts clean
      throw err;
    }
  }

  async #sync(peers: PeerSet, signal: AbortSignal): Promise<void> {
    await this.#deps.backend.sync(peers, signal);
    this.#syncedPeers = peers;
  }

  /** The subnet is no longer ours: the kernel must not go on in its name, as it would after a mere `close`. */
  async #withdraw(signal: AbortSignal): Promise<void> {
    await this.#sync([], signal);
    await this.close();
  }

  #tell(problem: string): void {
    this.#deps.onOutcome({ problem, subnet: this.#subnet, peers: this.#peers });
  }

  /** Ends what the process itself forwards. Call it when `run` has ended. */
  async close(): Promise<void> {
    this.#openFor = null;
    this.#syncedPeers = null;
    await this.#deps.backend.close();
  }
}
