/** The node at work: from the network config to forwarding, and what it says of itself meanwhile. */
import type { Ipv4Prefix } from "../net/ipv4.ts";
import type { IpCommand } from "../kernel/ip-command.ts";
import { OverlayError } from "../net/overlay-error.ts";
import type { ErrorCode } from "../net/overlay-error.ts";
import { FailureLog } from "../subnet-lease/failure-log.ts";
import { followNetworkConfig } from "../subnet-lease/follow-config.ts";
import { LeaseFollower } from "../subnet-lease/follow-leases.ts";
import type { NetworkConfig } from "../subnet-lease/network-config.ts";
import { waitForNetworkConfig } from "../subnet-lease/wait-for-config.ts";
import { SavedState } from "./files/saved-state.ts";
import { SubnetFileKeeper } from "./files/subnet-file-keeper.ts";
import { formatSubnetFile } from "../files/subnet-file.ts";
import { ConfigReport } from "./health/config-report.ts";
import { describeAgent } from "./health/agent-status.ts";
import type { HealthSource } from "./health/health-responses.ts";
import { NodeReadiness } from "./health/node-readiness.ts";
import { OlderClaimReport } from "./health/older-claim-report.ts";
import { TaskGroup } from "../process/task-group.ts";
import { KernelWatch } from "./overlay/kernel-watch.ts";
import { OverlaySeat } from "./overlay/overlay-seat.ts";
import type { Overlay, OverlayDeps, OverlayEvent } from "./overlay/overlay.ts";
import { closeAll } from "../process/close-all.ts";
import { decideStart } from "./start/cached-start.ts";
import { createUnderlayFollower } from "./start/follow-underlay.ts";
import { peerCachePath, readUnderlay } from "./start/start-plan.ts";
import type { AgentStatus } from "./status.ts";

/** How often registry contact and lease end are looked at: they change without an event. */
const LOOK_EVERY_MS = 1000;
/** With a cached start, what a person must mend in etcd does not end the agent: it forwards, and asks again this often. */
const CACHED_RETRY_MS = 5000;
const MENDED_IN_ETCD: ReadonlySet<ErrorCode> = new Set([
  "ERR_REGISTRY_DENIED",
  "ERR_BACKEND_UNKNOWN",
  "ERR_CONFIG_INVALID",
]);

export interface AgentNodeDeps extends Omit<OverlayDeps, "onEvent" | "formerNetwork"> {
  readonly version: string;
  readonly ip: IpCommand;
  /** Hears why the agent is not ready, or null when it is, at each change. */
  readonly onReadiness: (reason: string | null) => void;
}

export class AgentNode implements HealthSource {
  readonly #deps: AgentNodeDeps;
  readonly #readiness: NodeReadiness;
  readonly #subnetFile: SubnetFileKeeper;
  readonly #saved: SavedState;
  readonly #olderClaims: OlderClaimReport;
  #seat: OverlaySeat | null = null;
  #follower: LeaseFollower | null = null;
  /** Null until the network config is known. */
  #configReport: ConfigReport | null = null;
  /** Null where the kernel's notifications cannot be had. */
  #kernelWatch: KernelWatch | null = null;

  constructor(deps: AgentNodeDeps) {
    const { plan, clock, log } = deps;
    this.#deps = deps;
    this.#readiness = new NodeReadiness(clock, deps.onReadiness);
    this.#subnetFile = new SubnetFileKeeper({
      path: plan.options.subnetFile,
      clock,
      log,
      onOutcome: (problem) => this.#readiness.onSubnetFile(problem),
    });
    this.#olderClaims = new OlderClaimReport(plan.options.etcdPrefix, log);
    this.#saved = new SavedState(peerCachePath(plan.options), plan.options.etcdPrefix, deps);
  }

  notReadyReason(): string | null {
    return this.#readiness.reason;
  }

  status(): AgentStatus {
    const { version, nodeId, plan, clock } = this.#deps;
    const { underlay } = this.#seat?.underlayView ?? plan;
    return describeAgent({
      version,
      nodeId,
      notReadyReason: this.#readiness.reason,
      underlay,
      overlay: this.#overlay,
      follower: this.#follower?.status ?? null,
      configProblem: this.#configReport?.problem ?? null,
      nowMs: clock.nowMs(),
    });
  }

  /**
   * Works until the signal is aborted; then everything is closed, the lease stays and so do the kernel
   * objects that keep packets from leaving in clear.
   * @throws {OverlayError} what makes going on impossible
   */
  async run(signal: AbortSignal): Promise<void> {
    const group = new TaskGroup(signal);
    const onEvent = (event: OverlayEvent): void => this.#onEvent(event);
    const seat = new OverlaySeat({ ...this.#deps, onEvent }, group);
    this.#seat = seat;
    try {
      group.start((inner) => this.#subnetFile.run(inner));
      await this.#startForwarding(seat, group);
      await group.ended();
    } catch (err) {
      group.fail(err);
      await group.ended().catch((first: unknown) => {
        if (!signal.aborted) throw first;
      });
    } finally {
      group.stop();
      this.#kernelWatch?.close();
      await closeAll([seat, this.#saved], this.#deps.log);
    }
  }

  /** From the cache at once where that is possible, and in any case as etcd says. */
  async #startForwarding(seat: OverlaySeat, group: TaskGroup): Promise<void> {
    const { plan, clock, log } = this.#deps;
    const decision = decideStart(plan.cache, plan.options.etcdPrefix, clock.wallMs());
    if (decision.kind === "cached") {
      const { config, subnet, state } = decision;
      log.info({ subnet, peers: state.peers.length }, "Forwarding as before, until etcd answers");
      await seat.startFromCache(config, subnet, state);
    } else if (decision.reason !== null) {
      log.warn({ reason: decision.reason }, "Cannot use the saved state, will ask etcd first");
    }
    this.#followKernel(seat, group);
    const config =
      decision.kind === "cached"
        ? await this.#readUsableConfig(seat, group.signal)
        : await this.#readConfig(group.signal);
    const { network, backendType } = config;
    log.info({ network, backend: backendType }, "Network config read");
    this.#followRegistry(seat, config, group);
    await seat.startWith(config);
  }

  /** Hears of changes from here on, and of those before: the first look comes at once. */
  #followKernel(seat: OverlaySeat, group: TaskGroup): void {
    const { plan, registry, ip, clock, log } = this.#deps;
    const underlay = createUnderlayFollower({
      clock,
      log,
      current: () => (seat.isVacant ? null : seat.underlayView),
      read: (signal) => readUnderlay(plan.options, seat.underlayView.underlay, ip, signal),
      note: (view) => seat.note(view),
      onOutcome: (problem) => this.#readiness.onUnderlay(problem),
      async move(view) {
        const { interfaceIndex, interfaceIp } = seat.underlayView.underlay;
        const isElsewhere =
          view.underlay.interfaceIndex !== interfaceIndex || !view.underlay.interfaceIp.equals(interfaceIp);
        if (isElsewhere) registry.reconnect(); // its connection comes from an address that may be gone
        await seat.moveTo(view);
      },
    });
    this.#kernelWatch = KernelWatch.open({
      clock,
      log,
      onUnderlay: () => underlay.doubt(),
      onForwarding: () => this.#overlay?.doubt({ isFirewall: false }),
      onFirewall: () => this.#overlay?.doubt({ isFirewall: true }),
    });
    this.#watchKernel();
    group.start((signal) => underlay.run(signal));
  }

  /** Tells which devices count now. */
  #watchKernel(): void {
    const seat = this.#seat;
    if (seat !== null) this.#kernelWatch?.watch(seat.underlayView.underlay, seat.overlay);
  }

  get #overlay(): Overlay | null {
    return this.#seat?.overlay ?? null;
  }

  async #readConfig(signal: AbortSignal): Promise<NetworkConfig> {
    const { registry, plan, clock, log } = this.#deps;
    return await waitForNetworkConfig({
      registry,
      prefix: plan.options.etcdPrefix,
      clock,
      log,
      signal,
      onWait: (err) => this.#readiness.onConfigWait(err),
    });
  }

  /** The first config that works here, for an agent that forwards by another one and need not end over this. */
  async #readUsableConfig(seat: OverlaySeat, signal: AbortSignal): Promise<NetworkConfig> {
    const { clock, log } = this.#deps;
    const failures = new FailureLog(clock);
    for (;;) {
      try {
        const config = await this.#readConfig(signal);
        await seat.assertUsable(config);
        return config;
      } catch (err) {
        if (!(err instanceof OverlayError && MENDED_IN_ETCD.has(err.code))) throw err;
        this.#readiness.onConfigWait(err);
        if (failures.isNews(err.message))
          log.error({ err }, "Cannot use the network config, forwarding as before");
        await clock.sleep(CACHED_RETRY_MS, signal);
      }
    }
  }

  /** Follows the leases, and what becomes of `config`, which the agent works by from now on. */
  #followRegistry(seat: OverlaySeat, config: NetworkConfig, group: TaskGroup): void {
    const { registry, plan, clock, random, log } = this.#deps;
    const prefix = plan.options.etcdPrefix;
    const report = new ConfigReport(config, {
      clock,
      log,
      assertUsable: (stored) => seat.assertUsable(stored),
    });
    const follower = new LeaseFollower({
      registry,
      prefix,
      clock,
      random,
      log,
      signal: group.signal,
      onView: (view) => {
        seat.observe(view);
        this.#look();
      },
      beside: (signal) =>
        followNetworkConfig(
          { registry, prefix, clock, random, onConfig: (stored) => report.observe(stored) },
          signal,
        ),
    });
    this.#follower = follower;
    this.#configReport = report;
    this.#readiness.onConfig();
    group.start(() => follower.run());
    group.start(async (signal) => {
      while (!signal.aborted) {
        this.#look();
        await report.look();
        if (seat.overlay !== null) this.#saved.saveIfRenewed(seat.overlay.snapshot());
        await clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined); // the loop looks at the signal
      }
    });
  }

  #look(): void {
    if (this.#follower !== null) this.#readiness.onRegistry(this.#follower.status);
    if (this.#overlay !== null)
      this.#readiness.onOlderClaim(this.#olderClaims.problem(this.#overlay.tracker.olderClaim));
  }

  #onEvent(event: OverlayEvent): void {
    switch (event.kind) {
      case "forwarding":
        this.#onForwarding(event);
        break;
      case "firewall":
        this.#readiness.onFirewall();
        break;
      case "lease":
        this.#readiness.onLease(event.state);
        this.#save();
        break;
      case "peers":
        this.#save();
    }
  }

  #save(): void {
    if (this.#overlay !== null) this.#saved.save(this.#overlay.snapshot());
  }

  #onForwarding(event: Extract<OverlayEvent, { kind: "forwarding" }>): void {
    this.#watchKernel();
    const { subnet, problem } = event.outcome;
    const overlay = this.#overlay;
    if (overlay !== null && subnet !== null && problem === null) {
      // A cached subnet is as good as a leased one. Otherwise not before the way to the peers stands:
      // Docker starts containers as soon as the file is there.
      if (event.isComplete || overlay.keeper.state.kind === "cached") this.#wantSubnetFile(subnet, overlay);
    }
    this.#readiness.onForwarding(event);
  }

  #wantSubnetFile(subnet: Ipv4Prefix, { config, backend }: Overlay): void {
    const { ipMasq } = this.#deps.plan.options;
    const { overlayMtu } = backend;
    this.#subnetFile.want(formatSubnetFile({ network: config.network, subnet, overlayMtu, ipMasq }));
  }
}
