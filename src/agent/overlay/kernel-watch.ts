/** Hears of changes of the kernel's network state, and says whose business they are. */
import type { Logger } from "pino";
import type { Underlay } from "../../backends/backend.ts";
import { openKernelEvents } from "../../kernel/kernel-events.ts";
import type { KernelEvents } from "../../kernel/kernel-events.ts";
import type { KernelChanges } from "../../kernel/kernel-interest.ts";
import type { Clock } from "../../net/clock.ts";
import { FailureLog } from "../../subnet-lease/failure-log.ts";
import type { Overlay } from "./overlay.ts";

export interface KernelWatchDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** The underlay's interface or address may be another. */
  readonly onUnderlay: () => void;
  /** Something that the backend made may be gone. */
  readonly onForwarding: () => void;
  readonly onFirewall: () => void;
}

export class KernelWatch {
  readonly #deps: KernelWatchDeps;
  readonly #events: KernelEvents;
  readonly #losses: FailureLog;

  private constructor(deps: KernelWatchDeps) {
    this.#deps = deps;
    this.#losses = new FailureLog(deps.clock);
    this.#events = openKernelEvents({ onChange: (changes) => this.#dispatch(changes) });
  }

  /** Null, and a line in the log, where there are no notifications: then audits come by the clock alone. */
  static open(deps: KernelWatchDeps): KernelWatch | null {
    try {
      const watch = new KernelWatch(deps);
      const reason = watch.#events.firewallProblem;
      if (reason !== null)
        deps.log.info(
          { reason },
          "Cannot hear of changed firewall rules, they are compared by the clock alone",
        );
      return watch;
    } catch (err) {
      deps.log.warn({ err }, "Cannot hear of changes in the kernel, repairs will come later");
      return null;
    }
  }

  /** Sets which devices count from now on; `overlay` is null while there is none. */
  watch({ interfaceName, interfaceIndex }: Underlay, overlay: Overlay | null): void {
    const { deviceName = null, deviceIndex = null } = overlay?.backend ?? {};
    this.#events.watch({
      names: deviceName === null ? [interfaceName] : [interfaceName, deviceName],
      indexes: deviceIndex === null ? [interfaceIndex] : [interfaceIndex, deviceIndex],
      deviceIndex,
      network: overlay?.config.network ?? null,
    });
  }

  close(): void {
    this.#events.close();
  }

  #dispatch({ link, address, route, neighbour, firewall, overflow }: KernelChanges): void {
    const { log, onUnderlay, onForwarding, onFirewall } = this.#deps;
    if (overflow && this.#losses.isNews("lost"))
      log.warn({ overflows: this.#events.overflows }, "Lost notifications of the kernel, auditing all");
    if (link || address || overflow) onUnderlay(); // routes choose an underlay only where there is none, which is tried again anyway
    if (link || address || route || neighbour || overflow) onForwarding();
    if (firewall || overflow) onFirewall();
  }
}
