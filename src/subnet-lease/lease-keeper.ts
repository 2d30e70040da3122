/**
 * Gets a subnet for this node and keeps it: renews the lease, makes it again when it is gone, and notices when
 * another node has it. The registry is always asked before anything is decided, and what the node forwards
 * depends on the answer, never on its absence: with no registry there, everything stays as it is.
 */
import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import { OverlayError } from "../net/overlay-error.ts";
import type { ErrorCode } from "../net/overlay-error.ts";
import { FailureLog } from "./failure-log.ts";
import type { LeaseList } from "./lease-list.ts";
import { explainLoss, isKeptBy } from "./lease-loss.ts";
import { holdSameLease, subnetOf } from "./lease-state.ts";
import type { LeaseState } from "./lease-state.ts";
import { LeaseWriter } from "./lease-writer.ts";
import type { Holding } from "./lease-writer.ts";
import type { LeaseAttributes, LeaseView, SubnetLease } from "./lease.ts";
import type { NetworkConfig } from "./network-config.ts";
import { planAcquisition } from "./plan-acquisition.ts";
import type { AcquisitionStep, NodeIdentity } from "./plan-acquisition.ts";
import type { Registry, RegistryHeader } from "./registry.ts";
import { retryDelayMs } from "./retry-delay.ts";

/** Of the time to live: leaves two more tries before expiry. */
const RENEW_AT = 1 / 3;
/** Share of the wait that is random, so that nodes that started together do not renew together. */
const RENEW_JITTER = 0.1;
/** However short the time to live or long the margin is. */
const MIN_RENEW_MS = 1000;
/** Between two looks at the lease that something on the outside asked for: bounds a fight with a script. */
const MIN_CHECK_INTERVAL_MS = 1000;
/** A full network changes when a lease ends, which is rare: tried again after 1 s at first, 40 s at most. */
const EXHAUSTED_RETRY_FACTOR = 10;
/** After a lost race, so that those who collided do not collide again. */
const MAX_RACE_PAUSE_MS = 50;

/** At shutdown: a process that is told to end does not wait for a registry. */
const RELEASE_TIMEOUT_MS = 1000;

/** What a keeper needs and how it behaves. */
export interface LeaseKeeperOptions {
  readonly registry: Registry;
  /** Of every key, as `/coreos.com/network`. */
  readonly prefix: string;
  readonly config: NetworkConfig;
  /** What our lease says; with a node id. */
  readonly attributes: LeaseAttributes;
  /** The subnet of the subnet file, or null. */
  readonly previousSubnet: Ipv4Prefix | null;
  /** Renew at least this long before expiry. */
  readonly renewMarginSeconds: number;
  /** When another node has our subnet: lease another one, or end `run` with `ERR_SUBNET_TAKEN`. */
  readonly onLost: "reacquire" | "exit";
  readonly clock: Clock;
  /** Gives 0 to 1, 1 excluded. */
  readonly random: () => number;
  readonly log: Logger;
  /** Told of every change of kind, subnet or lease, in order; a mere renewal only moves `expiresAtMs`. */
  onChange(state: LeaseState): void;
}

/**
 * The lease of one node, for the life of a process: `acquire` or `adoptCached` first, then `run` and, for
 * every view of the leases, `observe`. Nothing is left when both promises have settled.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #nodeId: string;
  readonly #writer: LeaseWriter;
  readonly #failures: FailureLog;
  #state: LeaseState = { kind: "none" };
  /** The subnet to try first: what we have, had, or last tried to write. */
  #wanted: Ipv4Prefix | null;
  /** True once the process has had a subnet: see `NodeIdentity`. */
  #isStrict = false;
  /** Where and when the registry last confirmed the lease. */
  #confirmed: RegistryHeader = { revision: 0n, clusterId: 0n };
  #lastViewRevision = 0n;
  #renewAtMs = Infinity;
  #checkedAtMs = -Infinity;
  #isDoubted = false;
  /** Ends the wait for the next renewal. */
  #bell = new AbortController();

  /** @throws {TypeError} when the attributes have no node id */
  constructor(options: LeaseKeeperOptions) {
    if (options.attributes.nodeId === null) throw new TypeError("Cannot keep a lease without a node id");
    this.#options = options;
    this.#nodeId = options.attributes.nodeId;
    this.#writer = new LeaseWriter(options);
    this.#failures = new FailureLog(options.clock);
    this.#wanted = options.previousSubnet;
  }

  /** What the node has now. */
  get state(): LeaseState {
    return this.#state;
  }

  /**
   * Leases a subnet: our own of before, or a free one. Waits as long as it takes: lost races, a registry that
   * does not answer and a full network are tried again.
   * @throws {OverlayError} `ERR_REGISTRY_DENIED` when the very first call is refused
   */
  async acquire(signal: AbortSignal): Promise<SubnetLease> {
    try {
      return await this.#settle(signal, true);
    } finally {
      await this.#releaseUnused();
    }
  }

  /** Takes a subnet from disk, so that forwarding starts before the registry answers; `run` confirms it. */
  adoptCached(subnet: Ipv4Prefix): void {
    this.#wanted = subnet;
    this.#setState({ kind: "cached", subnet });
  }

  /** Compares our lease with a view of all leases; when it is not as it should be, `run` asks the registry. */
  observe(view: LeaseView): void {
    if (this.#state.kind !== "held") return;
    const isOtherHistory =
      view.clusterId !== this.#confirmed.clusterId || view.revision < this.#lastViewRevision;
    this.#lastViewRevision = view.revision;
    if (!isOtherHistory && view.revision < this.#confirmed.revision) return; // older than what we know
    const step = this.#plan({ leases: view.leases, unreadable: [] });
    const { revision } = this.#state.lease;
    if (step.kind === "adopt" && step.lease.revision === revision && !isOtherHistory) return;
    this.#isDoubted = true;
    this.#bell.abort();
  }

  /**
   * Renews and repairs the lease until the signal is aborted; then resolves, and the lease stays as it is for
   * the next start. A cached subnet that turns out to be another node's is replaced in both modes, since an
   * exit would find the same cache again.
   * @throws {OverlayError} `ERR_SUBNET_TAKEN` in mode `exit` when another node has the subnet we held
   */
  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        const isDue = this.#options.clock.nowMs() >= this.#renewAtMs;
        if (this.#state.kind !== "held" || this.#isDoubted || isDue) await this.#settle(signal, false);
        await this.#waitForWork(signal);
      }
    } catch (err) {
      if (!signal.aborted) throw err;
    } finally {
      await this.#releaseUnused();
    }
  }

  /**
   * Goes step by step, each from a new list, until the registry holds a lease of ours and it is renewed. The
   * start, a renewal, a repair and a lost race are all this.
   */
  async #settle(signal: AbortSignal, isDeniedFatal: boolean): Promise<SubnetLease> {
    const { clock, random } = this.#options;
    let failures = 0;
    for (let isFirst = true; ; isFirst = false) {
      let pauseMs = random() * MAX_RACE_PAUSE_MS;
      try {
        const holding = await this.#takeStep(signal);
        if (holding !== null) return this.#hold(holding);
        failures = 0;
      } catch (err) {
        signal.throwIfAborted();
        if (!isRetried(err) || (err.code === "ERR_REGISTRY_DENIED" && isDeniedFatal && isFirst)) throw err;
        this.#tellFailure(err);
        pauseMs = retryDelayMs(failures++, random);
        if (err.code === "ERR_SUBNETS_EXHAUSTED") pauseMs *= EXHAUSTED_RETRY_FACTOR;
      }
      await clock.sleep(pauseMs, signal);
    }
  }

  #tellFailure(err: OverlayError): void {
    if (!this.#failures.isNews(err.message)) return;
    const { log } = this.#options;
    const fields = { err, ...err.fields };
    if (subnetOf(this.#state) === null) log.error(fields, "Cannot lease a subnet, will retry");
    else log.warn(fields, "Cannot renew the lease, keeping the subnet, will retry");
  }

  /** One list and one write; null when there is more to do. */
  async #takeStep(signal: AbortSignal): Promise<Holding | null> {
    this.#isDoubted = false; // before the list: a doubt that comes later is about something newer
    const { list, header } = await this.#writer.list(signal);
    const step = this.#plan(list);
    this.#loseUnlessKept(step, list);
    switch (step.kind) {
      case "adopt":
        return this.#writer.adopt(step.lease, header, signal);
      case "create":
        // Should the answer be lost, the next try is for the same key: one of the two fails.
        this.#wanted = step.subnet;
        return this.#writer.create(step.subnet, signal);
      case "drop":
        this.#options.log.warn({ subnet: step.lease.subnet, reason: step.reason }, "Own lease deleted");
        await this.#writer.drop(step.lease, signal);
        return null;
      case "exhausted":
        throw exhaustedError(this.#options.config, step.total);
    }
  }

  #plan(list: LeaseList): AcquisitionStep {
    const { config, random } = this.#options;
    const held = this.#state.kind === "held" ? this.#state.lease.subnet : null;
    return planAcquisition({
      list,
      config,
      identity: this.#identity,
      held,
      previousSubnet: this.#wanted,
      random,
    });
  }

  get #identity(): NodeIdentity {
    return {
      nodeId: this.#nodeId,
      underlayIp: this.#options.attributes.underlayIp,
      isStrict: this.#isStrict,
    };
  }

  /**
   * Gives up the subnet that we forward for when `step` leads to another.
   * @throws {OverlayError} `ERR_SUBNET_TAKEN` when that is the end
   */
  #loseUnlessKept(step: AcquisitionStep, list: LeaseList): void {
    const before = this.#state;
    const subnet = subnetOf(before);
    if (subnet === null || isKeptBy(step, subnet)) return;
    const reason = explainLoss(list, subnet, this.#identity);
    this.#setState({ kind: "lost", subnet, reason });
    if (before.kind === "held" && this.#options.onLost === "exit") {
      const message = `Cannot keep ${subnet.toString()}: ${reason}`;
      throw new OverlayError("ERR_SUBNET_TAKEN", message, { subnet: subnet.toString() });
    }
    this.#options.log.error({ subnet, reason }, "Subnet lost, will lease another");
  }

  #hold({ lease, lifetime, header }: Holding): SubnetLease {
    const { clock, random, renewMarginSeconds, log } = this.#options;
    const before = this.#state;
    const { ttlSeconds, expiresAtMs } = lifetime;
    const waitMs = Math.min(ttlSeconds * RENEW_AT, ttlSeconds - renewMarginSeconds) * 1000;
    this.#checkedAtMs = clock.nowMs();
    this.#renewAtMs = this.#checkedAtMs + Math.max(waitMs * (1 - RENEW_JITTER * random()), MIN_RENEW_MS);
    this.#wanted = lease.subnet;
    this.#isStrict = true;
    this.#confirmed = header;
    const facts = { subnet: lease.subnet, etcdLeaseId: lease.etcdLeaseId.toString() };
    if (before.kind !== "held") log.info(facts, "Subnet leased");
    else if (before.lease.revision !== lease.revision)
      log.warn(facts, "Own lease was changed or gone, restored");
    if (this.#failures.clear()) log.info(facts, "Lease confirmed again");
    this.#setState({ kind: "held", lease, expiresAtMs: expiresAtMs === Infinity ? null : expiresAtMs });
    return lease;
  }

  /** Waits for the next renewal or a doubt, and in any case a while after the last look at the registry. */
  async #waitForWork(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    this.#bell = new AbortController();
    if (this.#isDoubted) this.#bell.abort();
    const bell = this.#bell.signal;
    try {
      await clock.sleep(this.#renewAtMs - clock.nowMs(), AbortSignal.any([signal, bell]));
    } catch (err) {
      signal.throwIfAborted();
      if (!bell.aborted) throw err;
    }
    if (this.#isDoubted) await clock.sleep(this.#checkedAtMs + MIN_CHECK_INTERVAL_MS - clock.nowMs(), signal);
  }

  #setState(state: LeaseState): void {
    const before = this.#state;
    this.#state = state;
    if (!holdSameLease(before, state)) this.#options.onChange(state);
  }

  /** Ends an etcd lease that was made for nothing; it would run out by itself, a day later. */
  async #releaseUnused(): Promise<void> {
    const used = this.#state.kind === "held" ? this.#state.lease.etcdLeaseId : null;
    const deadline = new AbortController();
    const answered = new AbortController();
    void this.#options.clock.sleep(RELEASE_TIMEOUT_MS, answered.signal).then(
      () => deadline.abort(),
      () => undefined, // answered before
    );
    try {
      await this.#writer.releaseOwn(used, deadline.signal);
    } catch (err) {
      if (!deadline.signal.aborted && !(err instanceof OverlayError)) throw err;
    } finally {
      answered.abort();
    }
  }
}

/** What passes with time, or with an operator's help, and does not end the process. */
const RETRIED_CODES: readonly ErrorCode[] = [
  "ERR_REGISTRY_UNAVAILABLE",
  "ERR_REGISTRY_DENIED",
  "ERR_FILE_FAILED", // a certificate that is being replaced
  "ERR_SUBNETS_EXHAUSTED",
];

function isRetried(err: unknown): err is OverlayError {
  return err instanceof OverlayError && RETRIED_CODES.includes(err.code);
}

function exhaustedError(config: NetworkConfig, total: number): OverlayError {
  const network = config.network.toString();
  const message = `Cannot lease a /${config.subnetLength} of ${network}: all ${total} are taken`;
  return new OverlayError("ERR_SUBNETS_EXHAUSTED", message, { network, total });
}
