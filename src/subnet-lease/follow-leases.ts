/**
 * Keeps a view of all leases equal to what the registry holds: list, then watch from there. Any disturbance of
 * the watch leads to a new list, never to an attempt to resume, so that a lost event, a compaction, a restart
 * and a wiped registry are one code path. While the registry is away the last view stays as it is.
 */
import type { Logger } from "pino";
import type { Clock } from "../net/clock.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { leasePrefix } from "./lease-codec.ts";
import { LeaseTable } from "./lease-table.ts";
import type { RejectReason, TableChange } from "./lease-table.ts";
import type { LeaseView } from "./lease.ts";
import { OutageLog } from "./outage-log.ts";
import type { Registry, RegistryEntry, RegistryHeader } from "./registry.ts";
import { RejectionLog } from "./rejection-log.ts";
import { MAX_RETRY_DELAY_MS, retryDelayMs } from "./retry-delay.ts";
import { spreadIntervalMs } from "./spread-interval.ts";

/** A full list finds what a watch has not told. */
const AUDIT_EVERY_MS = 300_000;
/** Events up to the revision of a list have come by then, even past a slow member. */
const AUDIT_SETTLE_MS = 2_000;
/** A watch that stood this long was no accident: the next break is a first one again. */
const STEADY_AFTER_MS = MAX_RETRY_DELAY_MS;

/** What a follower needs. */
export interface FollowLeasesOptions {
  readonly registry: Registry;
  /** Of every key, as `/coreos.com/network`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Called after every list, and after every batch of events that changed something. */
  onView(view: LeaseView): void;
  /**
   * Follows something else on the same connection: called whenever the watch stands, with a signal that is aborted when it
   * breaks. A failure counts as one of the watch.
   */
  readonly beside?: (signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
}

/** How following goes. */
export interface FollowerStatus {
  /** True while the watch stands. */
  readonly isConnected: boolean;
  /** When the registry last answered, by `Clock.nowMs`; null before the first answer. */
  readonly lastContactMs: number | null;
  /** Of the newest list or event. */
  readonly revision: bigint | null;
  readonly clusterId: bigint | null;
  /** Lists after the first that a disturbance made necessary. */
  readonly relists: number;
  /** Keys on which a periodic list and the events did not agree. */
  readonly drift: number;
  /** Keys rejected now, by reason. */
  readonly rejected: Readonly<Partial<Record<RejectReason, number>>>;
}

/** A view of all leases and how well it is kept; `run` keeps it. */
export class LeaseFollower {
  readonly #options: FollowLeasesOptions;
  readonly #leasePrefix: string;
  readonly #table: LeaseTable;
  readonly #outages: OutageLog;
  readonly #rejections: RejectionLog;
  #isConnected = false;
  #lastContactMs: number | null = null;
  #lists = 0;
  #drift = 0;

  constructor(options: FollowLeasesOptions) {
    const { prefix, clock, log, signal } = options;
    this.#options = options;
    this.#leasePrefix = leasePrefix(prefix);
    this.#table = new LeaseTable(prefix);
    this.#outages = new OutageLog(clock, log);
    this.#rejections = new RejectionLog(clock, log, signal);
  }

  get status(): FollowerStatus {
    const { revision, clusterId } = this.#table.view();
    const hasListed = this.#lists > 0;
    return {
      isConnected: this.#isConnected,
      lastContactMs: this.#lastContactMs,
      revision: hasListed ? revision : null,
      clusterId: hasListed ? clusterId : null,
      relists: Math.max(0, this.#lists - 1),
      drift: this.#drift,
      rejected: this.#table.rejected(),
    };
  }

  /** Follows until the signal is aborted, then resolves. Rejects only with what `onView` threw. */
  async run(): Promise<void> {
    const { clock, random, signal } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      const startMs = clock.nowMs();
      const { standingMs } = await this.#listAndWatch();
      if (standingMs >= STEADY_AFTER_MS) attempt = 0;
      // What the attempt took counts: one that ran into a deadline has waited already.
      const attemptMs = standingMs > 0 ? 0 : clock.nowMs() - startMs;
      const delayMs = Math.max(retryDelayMs(attempt, random) - attemptMs, retryDelayMs(0, random));
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  /** One round; resolves when it broke, with how long the watch stood. */
  async #listAndWatch(): Promise<{ standingMs: number }> {
    const { registry, clock, signal } = this.#options;
    const round = new Round(signal);
    let standingSinceMs: number | null = null;
    try {
      const { entries, header } = await registry.list(this.#leasePrefix, round.signal);
      this.#onList(entries, header);
      for await (const { events } of registry.watch(this.#leasePrefix, header.revision + 1n, round.signal)) {
        this.#lastContactMs = clock.nowMs();
        if (standingSinceMs === null) {
          standingSinceMs = clock.nowMs();
          this.#onStanding(round);
        }
        if (events.length > 0) this.#onChange(this.#table.apply(events));
      }
      if (round.failure !== null) throw round.failure;
    } catch (err) {
      if (!signal.aborted) this.#onDisturbance(err);
    } finally {
      this.#isConnected = false;
      round.end();
    }
    return { standingMs: standingSinceMs === null ? 0 : clock.nowMs() - standingSinceMs };
  }

  #onList(entries: readonly RegistryEntry[], header: RegistryHeader): void {
    const before = this.#table.view();
    const change = this.#table.replace(entries, header);
    this.#lists++;
    this.#lastContactMs = this.#options.clock.nowMs();
    if (change.isOtherHistory) {
      const facts = {
        clusterId: header.clusterId.toString(),
        revision: header.revision.toString(),
        previousClusterId: before.clusterId.toString(),
        previousRevision: before.revision.toString(),
      };
      this.#options.log.warn(
        facts,
        "The registry was replaced or set back, taking its leases as they are now",
      );
    }
    this.#onChange(change, true);
  }

  #onStanding(round: Round): void {
    this.#isConnected = true;
    this.#outages.recovered({
      revision: this.#table.view().revision.toString(),
      relists: this.status.relists,
    });
    this.#audit(round.signal).catch((err: unknown) => round.fail(err));
    this.#options.beside?.(round.signal).catch((err: unknown) => round.fail(err));
  }

  /** Lists now and then while the watch stands, and mends what events have not told. */
  async #audit(signal: AbortSignal): Promise<void> {
    const { registry, clock, random, log } = this.#options;
    for (;;) {
      await clock.sleep(spreadIntervalMs(AUDIT_EVERY_MS, random), signal);
      const { entries, header } = await registry.list(this.#leasePrefix, signal);
      this.#lastContactMs = clock.nowMs();
      await clock.sleep(AUDIT_SETTLE_MS, signal);
      const change = this.#table.audit(entries, header);
      if (change.changes === 0) continue;
      this.#drift += change.changes;
      log.warn({ keys: change.changes }, "The watch has missed changes of leases, mended by a full list");
      this.#onChange(change);
    }
  }

  #onChange(change: TableChange, isList = false): void {
    this.#rejections.report(change.rejections);
    this.#rejections.reportOverLimit(this.#table.leftOut);
    if (change.changes > 0 || isList) this.#options.onView(this.#table.view());
  }

  /** A disturbance is for us to cope with; anything else is a fault of the program. */
  #onDisturbance(err: unknown): void {
    if (!(err instanceof OverlayError)) throw err;
    this.#outages.failed(err);
  }
}

/** From a list to the break of its watch. Its signal ends the watch, the audit and whatever they wait for. */
class Round {
  readonly #end = new AbortController();
  failure: Error | null = null;

  constructor(parent: AbortSignal) {
    if (parent.aborted) this.end();
    parent.addEventListener("abort", () => this.end(), { once: true, signal: this.#end.signal });
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Ends the round because a part of it failed; once it has ended, nothing is a failure. */
  fail(failure: unknown): void {
    if (this.#end.signal.aborted) return;
    this.failure = failure instanceof Error ? failure : new Error(String(failure));
    this.end();
  }

  end(): void {
    this.#end.abort();
  }
}
