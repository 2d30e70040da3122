/**
 * Keeps one connection to one of etcd's endpoints, and replaces it after trouble. The next endpoint is tried
 * then; a caller never waits for a connection that another caller has given up.
 */
import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { EtcdConnection } from "./etcd-connection.ts";
import type { CallOptions } from "./etcd-connection.ts";
import { isTokenRefused, noAnswerError, registryError } from "./etcd-errors.ts";
import { checkEtcdOptions } from "./etcd-options.ts";
import type { EtcdOptions, EtcdTarget } from "./etcd-options.ts";
import { withDeadline } from "./with-deadline.ts";

/** What of the outside the etcd registry uses besides the network. */
export interface EtcdDeps {
  readonly clock: Clock;
  /** 0 to below 1: which endpoint is the first. */
  readonly random: () => number;
  readonly log: Logger;
}

/** A connection that is there or being made. */
export interface Slot {
  readonly address: string;
  readonly opening: Promise<EtcdConnection>;
  /**
   * Aborted, with an `OverlayError`, when the connection is given up or cannot be made. Streams on it must end
   * then: a closed gRPC client sends no more pings and so does not notice that they are dead.
   */
  readonly lost: AbortController;
}

/** One call on a connection; it ends when the signal behind the options is aborted. */
type Run<T> = (connection: EtcdConnection, options: CallOptions) => Promise<T>;

/** The one connection to etcd that all calls of a registry share. */
export class EtcdSession {
  readonly clock: Clock;
  /** Longest wait for one answer, in milliseconds. */
  readonly callTimeoutMs: number;
  readonly #options: EtcdOptions;
  readonly #target: EtcdTarget;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  #addressIndex: number;
  #slot: Slot | null = null;

  /** @throws {OverlayError} `ERR_OPTION_INVALID` */
  constructor(options: EtcdOptions, deps: EtcdDeps) {
    this.#options = options;
    this.#target = checkEtcdOptions(options);
    this.#log = deps.log;
    this.#addressIndex = Math.floor(deps.random() * this.#target.addresses.length);
    this.clock = deps.clock;
    this.callTimeoutMs = this.#target.callTimeoutMs;
  }

  /**
   * Makes a call that changes nothing when it is made twice: each endpoint may be tried, within one deadline.
   * @param action completes "Cannot ..."
   */
  ask<T>(action: string, signal: AbortSignal, run: Run<T>): Promise<T> {
    return this.#call(action, signal, run, this.#target.addresses.length);
  }

  /** Makes a call at most once, for it may have been carried out although it failed. */
  once<T>(action: string, signal: AbortSignal, run: Run<T>): Promise<T> {
    return this.#call(action, signal, run, 1);
  }

  /** The connection that is in use. @throws {OverlayError} when the session is closed */
  current(action: string): Slot {
    if (this.#closing.signal.aborted) throw closedError(action);
    if (this.#slot !== null) return this.#slot;
    const { addresses, isTls } = this.#target;
    const address = addresses[this.#addressIndex % addresses.length] ?? addresses[0];
    const lost = new AbortController();
    const opening = EtcdConnection.open(address, isTls, this.#options, lost.signal);
    const slot = { address, opening, lost };
    opening.catch((err: unknown) => this.giveUp(slot, registryError(action, address, err))); // also if nobody waits
    this.#slot = slot;
    return slot;
  }

  /** From now on a call gets a new connection, on the next endpoint. */
  giveUp(slot: Slot, reason: OverlayError): void {
    if (this.#slot !== slot) return;
    this.#slot = null;
    this.#addressIndex++;
    this.#log.debug({ err: reason, etcdAddress: slot.address }, "Giving up the connection to etcd");
    slot.lost.abort(reason);
    void slot.opening.then(
      (connection) => connection.close(),
      () => undefined,
    );
  }

  /** From now on a call gets a new connection, and what is under way fails: the way to etcd has changed. */
  reconnect(): void {
    if (this.#slot === null) return;
    const reason = "Cannot go on: the connection is given up, the way to etcd has changed";
    this.giveUp(this.#slot, new OverlayError("ERR_REGISTRY_UNAVAILABLE", reason));
  }

  /** Ends what is under way; every later call fails. */
  async close(): Promise<void> {
    this.#closing.abort(closedError("go on"));
    const slot = this.#slot;
    if (slot === null) return;
    this.giveUp(slot, closedError("watch keys"));
    await slot.opening.catch(() => undefined);
  }

  async #call<T>(action: string, signal: AbortSignal, run: Run<T>, maxEndpoints: number): Promise<T> {
    signal.throwIfAborted();
    const endMs = this.clock.nowMs() + this.callTimeoutMs;
    let endpointsLeft = maxEndpoints;
    let isTokenRenewed = false;
    for (;;) {
      const slot = this.current(action);
      try {
        return await this.#callOn(slot, action, signal, run, endMs);
      } catch (err) {
        signal.throwIfAborted();
        const failure = registryError(action, slot.address, err);
        if (isConnectionSuspect(failure)) this.giveUp(slot, failure);
        if (isTokenRefused(failure) && !isTokenRenewed) isTokenRenewed = true;
        else if (--endpointsLeft <= 0 || failure.code !== "ERR_REGISTRY_UNAVAILABLE") throw failure;
        if (this.clock.nowMs() >= endMs) throw failure;
      }
    }
  }

  #callOn<T>(slot: Slot, action: string, signal: AbortSignal, run: Run<T>, endMs: number): Promise<T> {
    const deadline = {
      clock: this.clock,
      timeoutMs: endMs - this.clock.nowMs(),
      signals: [signal, this.#closing.signal],
      onTimeout: () => noAnswerError(action, slot.address, this.callTimeoutMs),
    };
    return withDeadline(deadline, async (callSignal) => {
      const connection = await slot.opening;
      callSignal.throwIfAborted();
      return run(connection, connection.callOptions(callSignal));
    });
  }
}

/** What a new connection may cure: another member answers, or a new token is not refused. */
function isConnectionSuspect(failure: OverlayError): boolean {
  return failure.code === "ERR_REGISTRY_UNAVAILABLE" || isTokenRefused(failure);
}

function closedError(action: string): OverlayError {
  return new OverlayError("ERR_REGISTRY_UNAVAILABLE", `Cannot ${action}: the registry is closed`);
}
