/** The overlay that is at work, and putting another one in its place: another config or underlay, the same subnet. */
import { isDeepStrictEqual } from "node:util";
import type { UnderlayView } from "../start/start-plan.ts";
import type { CachedState } from "../../peers/cached-state.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { LeaseView } from "../../subnet-lease/lease.ts";
import { configDifferences, formatDifferences, isSameConfig } from "../../subnet-lease/config-differences.ts";
import type { NetworkConfig } from "../../subnet-lease/network-config.ts";
import type { TaskGroup } from "../../process/task-group.ts";
import { subnetOf } from "../../subnet-lease/lease-state.ts";
import { backendFor } from "./backend-for.ts";
import { createOverlay } from "./overlay.ts";
import type { Overlay, OverlayDeps } from "./overlay.ts";

/** What the next overlay goes on with. */
interface Inheritance {
  readonly config: NetworkConfig;
  /** Null: it must lease one first. */
  readonly subnet: Ipv4Prefix | null;
  readonly state: Pick<CachedState, "peers" | "registry">;
}

export class OverlaySeat {
  readonly #deps: Omit<OverlayDeps, "formerNetwork">;
  readonly #group: TaskGroup;
  #view: UnderlayView;
  #formerNetwork: Ipv4Prefix | null;
  #overlay: Overlay | null = null;
  /** Of an overlay that is gone while its successor could not be made yet. */
  #inheritance: Inheritance | null = null;
  #lastView: LeaseView | null = null;
  #isLeaseKept = false;
  #last: Promise<unknown> = Promise.resolve();
  /** Changes of the overlay that are under way or wait for their turn. */
  #turns = 0;

  /** Loops of the overlay run in `group`, and end it when they fail. */
  constructor(deps: Omit<OverlayDeps, "formerNetwork">, group: TaskGroup) {
    this.#deps = deps;
    this.#group = group;
    this.#view = deps.plan;
    this.#formerNetwork = deps.plan.cache.state?.network ?? null;
  }

  /** Null before the first, and while its successor could not be made yet. */
  get overlay(): Overlay | null {
    return this.#overlay;
  }

  /** The underlay that overlays are made on. */
  get underlayView(): UnderlayView {
    return this.#view;
  }

  /** True while the overlay of before is gone, has no successor, and none is being made. */
  get isVacant(): boolean {
    return this.#inheritance !== null && this.#turns === 0;
  }

  /** Forwards as the last run did, at once. @throws what keeps the backend from opening */
  async startFromCache(
    config: NetworkConfig,
    subnet: Ipv4Prefix,
    state: Inheritance["state"],
  ): Promise<void> {
    await this.#inTurn(() => this.#take({ config, subnet, state }));
  }

  /** Whether a node on this underlay could work by this config; touches nothing. @throws {OverlayError} as `backendFor` */
  async assertUsable(config: NetworkConfig): Promise<void> {
    const { plan, nodeId, log } = this.#deps;
    const silent = log.child({}, { level: "silent" }); // who starts with the config says what there is to say
    const past = { nodeId, formerNetwork: this.#formerNetwork };
    await backendFor(config, { ...this.#view, options: plan.options }, past, silent);
  }

  /** Works by this config, keeps the lease from now on, and leases a subnet when there is none. */
  async startWith(config: NetworkConfig): Promise<void> {
    await this.#inTurn(async () => {
      this.#isLeaseKept = true;
      const overlay = this.#overlay;
      if (overlay !== null && isSameConfig(overlay.config, config)) {
        this.#keepLease(overlay);
        return;
      }
      const next = this.#inheritance?.config;
      if (next !== undefined && isSameConfig(next, config)) return; // its next move takes it up, and keeps the lease
      if (overlay !== null) {
        const changes = formatDifferences(configDifferences(overlay.config, config));
        this.#deps.log.warn({ changes }, "The network config has changed, starting anew");
        this.#formerNetwork = overlay.config.network;
        await overlay.close();
        this.#overlay = null;
      }
      await this.#take({ config, subnet: null, state: { peers: [], registry: null } });
    });
  }

  /** Works on another underlay, with the subnet and the peers of before. @throws what keeps the backend from opening */
  async moveTo(view: UnderlayView): Promise<void> {
    await this.#inTurn(async () => {
      const { underlay: from } = this.#view;
      if (!isDeepStrictEqual(from, view.underlay)) {
        this.#deps.log.warn(
          { from, to: view.underlay },
          "The underlay has changed, forwarding starts anew on it",
        );
      }
      this.#view = view;
      const inheritance = this.#inheritance ?? this.#leave();
      this.#inheritance = inheritance;
      await this.#overlay?.close();
      this.#overlay = null;
      if (inheritance !== null) await this.#take(inheritance);
    });
  }

  /** Takes which networks the underlay interface reaches directly from now on. */
  note(view: UnderlayView): void {
    this.#view = view;
    this.#overlay?.setUnderlayPrefixes(view.underlayPrefixes);
  }

  /** Takes what the registry holds. */
  observe(view: LeaseView): void {
    this.#lastView = view;
    this.#overlay?.observe(view);
  }

  /** Ends the overlay. The lease stays. */
  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    await this.#overlay?.close();
  }

  /** What the overlay of now leaves; null when there is none. */
  #leave(): Inheritance | null {
    if (this.#overlay === null) return null;
    const { lease, peers, registryMark: registry } = this.#overlay.snapshot();
    return { config: this.#overlay.config, subnet: subnetOf(lease), state: { peers, registry } };
  }

  async #take(inheritance: Inheritance): Promise<void> {
    this.#inheritance = inheritance;
    const { config, subnet, state } = inheritance;
    const plan = { ...this.#deps.plan, ...this.#view };
    const deps = { ...this.#deps, plan, formerNetwork: this.#formerNetwork };
    const overlay = await createOverlay(config, deps, this.#group.signal);
    this.#overlay = overlay;
    if (this.#view.underlayPrefixes !== plan.underlayPrefixes) this.note(this.#view); // noted meanwhile
    if (subnet !== null) await overlay.startFromCache(subnet, state);
    if (this.#lastView !== null) overlay.observe(this.#lastView);
    if (subnet === null) await overlay.startWithLease();
    this.#inheritance = null;
    if (this.#isLeaseKept) this.#keepLease(overlay);
  }

  #keepLease(overlay: Overlay): void {
    overlay.keepLease();
    this.#group.start(() => overlay.ended());
  }

  /** One change of the overlay at a time. */
  async #inTurn(run: () => Promise<void>): Promise<void> {
    this.#turns++;
    const turn = this.#last.then(run, run).finally(() => this.#turns--);
    this.#last = turn;
    await turn;
  }
}
