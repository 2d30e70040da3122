/** One network config at work: backend, own lease and peers, tied together. */
import type { Logger } from "pino";
import type { Backend } from "../../backends/backend.ts";
import type { Clock } from "../../net/clock.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { CachedState, RegistryMark } from "../../peers/cached-state.ts";
import type { SelfIdentity } from "../../peers/peer-rules.ts";
import { PeerTracker } from "../../peers/peer-tracker.ts";
import type { PeerSet } from "../../peers/peer.ts";
import { LeaseKeeper } from "../../subnet-lease/lease-keeper.ts";
import { subnetOf } from "../../subnet-lease/lease-state.ts";
import type { LeaseState } from "../../subnet-lease/lease-state.ts";
import type { LeaseAttributes, LeaseView } from "../../subnet-lease/lease.ts";
import type { NetworkConfig } from "../../subnet-lease/network-config.ts";
import type { Registry } from "../../subnet-lease/registry.ts";
import { TaskGroup } from "../../process/task-group.ts";
import type { StartPlan } from "../start/start-plan.ts";
import { backendFor } from "./backend-for.ts";
import { Firewall } from "./firewall.ts";
import type { FirewallKeepers } from "./firewall.ts";
import { Forwarding } from "./forwarding.ts";
import type { ForwardingOutcome } from "./forwarding.ts";
import { wantedFirewall } from "./wanted-firewall.ts";

export interface OverlayDeps {
  readonly plan: StartPlan;
  readonly nodeId: string;
  /** Overlay range that this node was part of before, or null. */
  readonly formerNetwork: Ipv4Prefix | null;
  /** What makes the firewall rules of a config, on a node that was part of `formerNetwork`. */
  readonly firewallKeepers: (config: NetworkConfig, formerNetwork: Ipv4Prefix | null) => FirewallKeepers;
  readonly registry: Registry;
  readonly clock: Clock;
  /** Gives 0 to 1, 1 excluded. */
  readonly random: () => number;
  readonly log: Logger;
  /** Hears of every change of lease, peers or forwarding, after it has happened. */
  readonly onEvent: (event: OverlayEvent) => void;
}

export type OverlayEvent =
  | { readonly kind: "lease"; readonly state: LeaseState }
  | { readonly kind: "peers" }
  /** The firewall rules were tried, well or not. */
  | { readonly kind: "firewall" }
  /** `isComplete`: what was synced is what the registry holds, not only what the cache held. */
  | { readonly kind: "forwarding"; readonly outcome: ForwardingOutcome; readonly isComplete: boolean };

/**
 * Makes what a config asks for, and tries whether it could be opened; nothing stays outside the process yet.
 * @throws {OverlayError} `ERR_BACKEND_UNKNOWN`, `ERR_CONFIG_INVALID`, and what keeps the backend from opening
 */
export async function createOverlay(
  config: NetworkConfig,
  deps: OverlayDeps,
  signal: AbortSignal,
): Promise<Overlay> {
  const { plan, nodeId, log } = deps;
  const backend = await backendFor(config, plan, deps, log);
  const attributes: LeaseAttributes = {
    underlayIp: plan.underlay.publicIp,
    underlayIp6: null,
    backend: await backend.advertise(signal),
    nodeId,
  };
  return new Overlay(config, backend, attributes, deps, signal);
}

/** What an overlay is at one moment, as the next start must know it. */
export interface OverlaySnapshot {
  readonly config: Pick<NetworkConfig, "network" | "text">;
  readonly lease: LeaseState;
  /** Null before the first view of the registry. */
  readonly registryMark: RegistryMark | null;
  readonly peers: PeerSet;
}

export class Overlay {
  readonly config: NetworkConfig;
  readonly backend: Backend;
  readonly keeper: LeaseKeeper;
  readonly tracker: PeerTracker;
  readonly #deps: OverlayDeps;
  readonly #attributes: LeaseAttributes;
  #underlayPrefixes: readonly Ipv4Prefix[];
  readonly #forwarding: Forwarding;
  readonly #firewall: Firewall;
  readonly #tasks: TaskGroup;
  #hasView = false;
  /** From the registry, or from an earlier run. */
  #arePeersKnown = false;
  /** The newest peers that follow from a view of the registry; null before the first. */
  #registryPeers: PeerSet | null = null;

  constructor(
    config: NetworkConfig,
    backend: Backend,
    attributes: LeaseAttributes,
    deps: OverlayDeps,
    signal: AbortSignal,
  ) {
    this.config = config;
    this.backend = backend;
    this.#deps = deps;
    this.#attributes = attributes;
    this.#underlayPrefixes = deps.plan.underlayPrefixes;
    this.#tasks = new TaskGroup(signal);
    const { clock, log } = deps;
    this.#forwarding = new Forwarding({
      backend,
      clock,
      log,
      onOutcome: (outcome) => this.#onOutcome(outcome),
    });
    const { iptablesResync } = deps.plan.options;
    const auditEveryMs = iptablesResync === 0 ? Infinity : iptablesResync * 1000;
    this.#firewall = new Firewall({
      ...deps.firewallKeepers(config, deps.formerNetwork),
      onTried: () => deps.onEvent({ kind: "firewall" }),
      clock,
      log,
      auditEveryMs,
    });
    this.keeper = this.#createKeeper();
    this.tracker = this.#createTracker();
  }

  /** Forwards as the last run did, at once; etcd is asked afterwards. @throws what keeps the backend from opening */
  async startFromCache(subnet: Ipv4Prefix, state: Pick<CachedState, "peers" | "registry">): Promise<void> {
    this.keeper.adoptCached(subnet);
    this.tracker.startFrom(state.peers, state.registry);
    await this.#start();
  }

  /** Leases a subnet and opens the backend for it. @throws what keeps the backend from opening */
  async startWithLease(): Promise<void> {
    await this.keeper.acquire(this.#tasks.signal);
    await this.#start();
  }

  async #start(): Promise<void> {
    await this.#forwarding.apply(this.#tasks.signal);
    this.#tasks.start((signal) => this.#forwarding.run(signal));
    this.#tasks.start((signal) => this.#firewall.run(signal));
  }

  /** Keeps the lease from now on. */
  keepLease(): void {
    this.#tasks.start((signal) => this.keeper.run(signal));
  }

  /** Takes what the registry holds. */
  observe(view: LeaseView): void {
    this.#hasView = true;
    this.keeper.observe(view);
    this.tracker.observe(view);
    // The tracker is silent when the cache was right; then too a sync must follow, the first complete one.
    if (this.#registryPeers === null) this.#onPeers(this.tracker.peers);
  }

  /** Somebody has changed what this overlay made in the kernel, or may have. */
  doubt({ isFirewall }: { readonly isFirewall: boolean }): void {
    if (isFirewall) this.#firewall.doubt();
    else this.#forwarding.doubt();
  }

  /** Takes which networks the underlay interface reaches directly from now on. */
  setUnderlayPrefixes(underlayPrefixes: readonly Ipv4Prefix[]): void {
    this.#underlayPrefixes = underlayPrefixes;
    this.tracker.setUnderlayPrefixes(this.#relevantPrefixes(underlayPrefixes));
    this.#wantFirewall();
  }

  snapshot(): OverlaySnapshot {
    const { config, keeper, tracker } = this;
    return { config, lease: keeper.state, registryMark: tracker.registryMark, peers: tracker.peers };
  }

  /** Resolves when the overlay was stopped. @throws {OverlayError} `ERR_SUBNET_TAKEN` as {@link LeaseKeeper} does */
  ended(): Promise<void> {
    return this.#tasks.ended();
  }

  /** Ends the loops and closes the backend. The lease stays. */
  async close(): Promise<void> {
    this.#tasks.stop();
    this.tracker.close();
    await this.#tasks.ended().catch(() => undefined); // whoever waits for `ended` has it
    await this.#forwarding.close();
  }

  #createKeeper(): LeaseKeeper {
    const { plan, registry, clock, random, log } = this.#deps;
    const { options, cache, previousSubnet } = plan;
    return new LeaseKeeper({
      registry,
      prefix: options.etcdPrefix,
      config: this.config,
      attributes: this.#attributes,
      previousSubnet: previousSubnet ?? cache.state?.ownLease?.subnet ?? null,
      renewMarginSeconds: options.subnetLeaseRenewMargin * 60,
      onLost: options.onLeaseLost,
      clock,
      random,
      log,
      onChange: (state) => this.#onLease(state),
    });
  }

  #createTracker(): PeerTracker {
    const { clock, log } = this.#deps;
    const { network, backendType } = this.config;
    return new PeerTracker({
      self: this.#self(null),
      place: {
        network,
        underlayPrefixes: this.#relevantPrefixes(this.#underlayPrefixes),
        backendType,
        identityOf: (data) => this.backend.identityOf(data),
        ownIdentity: this.backend.identityOf(this.#attributes.backend),
      },
      clock,
      log,
      onPeers: (peers) => this.#onPeers(peers),
    });
  }

  /** An underlay network that contains the whole overlay loses to it: the overlay's route is more specific. */
  #relevantPrefixes(underlayPrefixes: readonly Ipv4Prefix[]): Ipv4Prefix[] {
    return underlayPrefixes.filter((prefix) => !prefix.containsPrefix(this.config.network));
  }

  #self(subnet: Ipv4Prefix | null): SelfIdentity {
    const { interfaceIp, publicIp } = this.#deps.plan.underlay;
    return { nodeId: this.#deps.nodeId, subnet, interfaceIp, publicIp };
  }

  #onLease(state: LeaseState): void {
    const subnet = subnetOf(state);
    this.tracker.setSelf(this.#self(subnet), state.kind === "held" ? state.lease.revision : null);
    this.#forwarding.wantSubnet(subnet);
    this.#wantFirewall();
    this.#deps.onEvent({ kind: "lease", state });
  }

  #onPeers(peers: PeerSet): void {
    if (this.#hasView) this.#registryPeers = peers;
    this.#arePeersKnown = true;
    this.#forwarding.wantPeers(peers);
    this.#wantFirewall();
    this.#deps.onEvent({ kind: "peers" });
  }

  /** Nothing before the peers are known: the rules of an earlier run know some of them. */
  #wantFirewall(): void {
    const { options, underlay } = this.#deps.plan;
    const underlayPrefixes = this.#underlayPrefixes;
    const ownSubnet = subnetOf(this.keeper.state);
    if (ownSubnet === null || !this.#arePeersKnown) return;
    this.#firewall.want(
      wantedFirewall({
        options,
        underlay,
        underlayPrefixes,
        network: this.config.network,
        ownSubnet,
        backend: this.backend,
        peers: this.tracker.peers,
      }),
    );
  }

  #onOutcome(outcome: ForwardingOutcome): void {
    const isComplete = outcome.peers !== null && outcome.peers === this.#registryPeers;
    if (outcome.problem === null) this.#wantFirewall(); // which peers are direct may have changed
    this.#deps.onEvent({ kind: "forwarding", outcome, isComplete });
  }
}
