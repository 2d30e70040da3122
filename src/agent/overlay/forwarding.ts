/** Keeps the backend as it should be: open for the node's subnet, sending to the peers. */
import type { Logger } from "pino";
import type { Backend } from "../../backends/backend.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { PeerSet } from "../../peers/peer.ts";
import { FailureLog } from "../../subnet-lease/failure-log.ts";
import { Bell } from "../loops/bell.ts";

/** How often the kernel is compared with what should be, without a cause: repairs what others broke. */
export const RESYNC_EVERY_MS = 30_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5000;

export interface ForwardingDeps {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hears after each attempt why it failed, or null when the backend is open for `subnet` and has `peers`. */
  readonly onOutcome: (outcome: ForwardingOutcome) => void;
}

/** What one attempt came to; `subnet` is null when forwarding is to be stopped. */
export interface ForwardingOutcome {
  readonly problem: string | null;
  readonly subnet: Ipv4Prefix | null;
  readonly peers: PeerSet;
}

/** Runs one change of the backend at a time, always towards the newest wish. */
export class Forwarding {
  readonly #deps: ForwardingDeps;
  readonly #bell = new Bell();
  readonly #failures: FailureLog;
  #openFor: Ipv4Prefix | null = null;
  #subnet: Ipv4Prefix | null = null;
  #peers: PeerSet = [];
  #hasApplied = false;

  constructor(deps: ForwardingDeps) {
    this.#deps = deps;
    this.#failures = new FailureLog(deps.clock);
  }

  /** The node's subnet from now on; null stops forwarding. */
  wantSubnet(subnet: Ipv4Prefix | null): void {
    this.#subnet = subnet;
    this.#bell.ring();
  }

  /** The peers from now on. */
  wantPeers(peers: PeerSet): void {
    this.#peers = peers;
    this.#bell.ring();
  }

  /** One attempt to make the backend as wished; at start, where a failure is the end. @throws what failed */
  async apply(signal: AbortSignal): Promise<void> {
    const subnet = this.#subnet;
    const peers = this.#peers;
    this.#bell.silence();
    const isOpen = this.#openFor !== null && subnet !== null && this.#openFor.equals(subnet);
    if (this.#openFor !== null && !isOpen) await this.close();
    if (subnet !== null) {
      if (!isOpen) await this.#open(subnet, signal);
      await this.#deps.backend.sync(peers, signal);
    }
    this.#hasApplied = true;
    this.#deps.onOutcome({ problem: null, subnet, peers });
  }

  async #open(subnet: Ipv4Prefix, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.backend.open(subnet, signal);
      this.#openFor = subnet;
    } catch (err) {
      await this.#deps.backend.close(); // what it has made so far, so the next attempt starts clean
      throw err;
    }
  }

  /** Applies every wish, retries what failed, and compares again every {@link RESYNC_EVERY_MS}, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    let waitMs = this.#hasApplied ? RESYNC_EVERY_MS : 0;
    let retryMs = FIRST_RETRY_MS;
    for (;;) {
      await this.#bell.wait(waitMs, this.#deps.clock, signal).catch(() => undefined);
      if (signal.aborted) return;
      const isDone = await this.#attempt(signal);
      waitMs = isDone ? RESYNC_EVERY_MS : retryMs;
      retryMs = isDone ? FIRST_RETRY_MS : Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  }

  async #attempt(signal: AbortSignal): Promise<boolean> {
    const { log, onOutcome } = this.#deps;
    try {
      await this.apply(signal);
    } catch (err) {
      if (signal.aborted) return false;
      const problem = err instanceof Error ? err.message : String(err);
      if (this.#failures.isNews(problem))
        log.error({ err }, "Cannot bring forwarding up to date, will retry");
      onOutcome({ problem, subnet: this.#subnet, peers: this.#peers });
      return false;
    }
    if (this.#failures.clear()) log.info("Forwarding is up to date again");
    return true;
  }

  /** Stops forwarding. Call it when `run` has ended. */
  async close(): Promise<void> {
    this.#openFor = null;
    await this.#deps.backend.close();
  }
}
