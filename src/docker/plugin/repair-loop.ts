/** Keeps the bridges there: looks when the kernel tells of a change, and now and then without a cause. */
import type { Logger } from "pino";
import { openKernelEvents } from "../../kernel/kernel-events.ts";
import type { KernelEvents } from "../../kernel/kernel-events.ts";
import { MAX_INDEXES, MAX_NAMES } from "../../kernel/kernel-interest.ts";
import { reasonOf } from "../../net/reason-of.ts";
import type { DockerPlugin } from "./plugin.ts";

/** Changes come in bursts, and whoever fights us gets one write in this time. */
const PAUSE_MS = 250;
/** A device that was taken off a bridge tells nobody. */
const LOOK_EVERY_MS = 30_000;

export class RepairLoop {
  readonly #plugin: DockerPlugin;
  readonly #log: Logger;
  readonly #events: KernelEvents | null;
  #timer: NodeJS.Timeout | null = null;
  #isLooking = false;
  #isDoubted = false;
  /** What kept the last look from repairing all, as people read it. */
  #told: ReadonlySet<string> = new Set();
  #isClosed = false;

  constructor(plugin: DockerPlugin, log: Logger) {
    this.#plugin = plugin;
    this.#log = log;
    this.#events = this.#openEvents();
  }

  /** One look, and then others until the end. Failures are logged. */
  async start(): Promise<void> {
    await this.#look();
  }

  /** Something may not be as it was: look soon. */
  doubt(): void {
    this.#isDoubted = true;
    if (!this.#isLooking) this.#lookIn(PAUSE_MS);
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#events?.close();
  }

  #openEvents(): KernelEvents | null {
    try {
      return openKernelEvents({
        onChange: ({ link, address, overflow }) => {
          if (link || address || overflow) this.doubt();
        },
      });
    } catch (err) {
      this.#log.warn({ err }, "Cannot hear of changes in the kernel, repairs will come later");
      return null;
    }
  }

  /** A doubt that came during the look is of after it. */
  #delayMs(): number {
    return this.#isDoubted ? PAUSE_MS : LOOK_EVERY_MS;
  }

  #lookIn(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#look(), delayMs);
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    this.#isDoubted = false;
    try {
      const { changes, bridgeIndexes, failures } = await this.#plugin.repair();
      this.#watch(bridgeIndexes);
      if (changes > 0) this.#log.warn({ changes }, "Bridges were not as they should be, repaired");
      this.#tell(failures);
    } catch (err) {
      this.#tell([err]);
    } finally {
      this.#isLooking = false;
      this.#lookIn(this.#delayMs());
    }
  }

  /** Each failure once, as long as it lasts. */
  #tell(failures: readonly unknown[]): void {
    const reasons = new Map(failures.map((err) => [reasonOf(err), err]));
    for (const [reason, err] of reasons)
      if (!this.#told.has(reason)) this.#log.error({ err }, "Cannot repair bridges, will retry");
    if (reasons.size === 0 && this.#told.size > 0) this.#log.info("Bridges are as they should be again");
    this.#told = new Set(reasons.keys());
  }

  #watch(indexes: readonly number[]): void {
    if (this.#isClosed) return;
    const names = [...this.#plugin.state.networks.values()].map(({ bridgeName }) => bridgeName);
    this.#events?.watch({
      names: names.slice(0, MAX_NAMES),
      indexes: indexes.slice(0, MAX_INDEXES),
      deviceIndex: null,
      network: null,
    });
  }
}
