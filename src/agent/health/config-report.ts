import type { Logger } from "pino";
import type { Clock } from "../../net/clock.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { configDifferences, formatDifferences } from "../../subnet-lease/config-differences.ts";
import type { StoredConfig } from "../../subnet-lease/follow-config.ts";
import type { NetworkConfig } from "../../subnet-lease/network-config.ts";

/** Whoever writes the key again and again gets a line for what stands there at the end of each such time. */
const LINE_EVERY_MS = 5_000;

/** What a config report needs. */
export interface ConfigReportDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Rejects with the reason, an `OverlayError`, when a node like this one could not work by a config. */
  assertUsable(config: NetworkConfig): Promise<void>;
}

/** What there is to say of what etcd holds; `write` puts it into the log. */
interface Verdict {
  readonly problem: string | null;
  readonly write: () => void;
}

/**
 * Tells that etcd holds another network config than the one the agent works by, or denies to show it: once in the log for
 * each change, and as long as it lasts in the status. Nothing is done about it.
 */
export class ConfigReport {
  readonly #deps: ConfigReportDeps;
  readonly #running: NetworkConfig;
  #unseen: StoredConfig | null = null;
  #lastLineMs = -Infinity;
  #problem: string | null = null;
  #isDenied = false;

  /** @param running - what the agent works by until it ends */
  constructor(running: NetworkConfig, deps: ConfigReportDeps) {
    this.#running = running;
    this.#deps = deps;
  }

  /** How what etcd holds differs, or why that cannot be known, and what to do, for the status; null while all is well. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Takes what etcd holds. */
  observe(stored: StoredConfig): void {
    this.#unseen = stored;
  }

  /** Tells what is new: to be called again and again. */
  async look(): Promise<void> {
    const stored = this.#unseen;
    const nowMs = this.#deps.clock.nowMs();
    if (stored === null || nowMs - this.#lastLineMs < LINE_EVERY_MS) return;
    this.#unseen = null;
    const { problem, write } = await this.#judge(stored);
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#isDenied = stored.kind === "denied";
    this.#lastLineMs = nowMs;
    write();
  }

  async #judge(stored: StoredConfig): Promise<Verdict> {
    switch (stored.kind) {
      case "config":
        return await this.#compare(stored.config);
      case "unusable":
        return this.#unusable(stored.problem);
      case "denied":
        return this.#denied(stored.key, stored.problem);
    }
  }

  async #compare(stored: NetworkConfig): Promise<Verdict> {
    const { log } = this.#deps;
    const changes = formatDifferences(configDifferences(this.#running, stored));
    if (changes.length === 0) {
      const msg = this.#isDenied ? WATCHED_AGAIN : AS_BEFORE;
      return { problem: null, write: () => log.info(msg) };
    }
    try {
      await this.#deps.assertUsable(stored);
    } catch (err) {
      if (!(err instanceof OverlayError)) throw err;
      return this.#unusable(err);
    }
    return {
      problem: `changed in etcd, restart the agent to apply it: ${changes.join(", ")}`,
      write: () => log.warn({ changes, remedy: "systemctl restart twill" }, CHANGED),
    };
  }

  #unusable({ message: reason }: OverlayError): Verdict {
    return {
      problem: `not usable in etcd, mend it before an agent is restarted: ${reason}`,
      write: () => this.#deps.log.warn({ reason }, UNUSABLE),
    };
  }

  /** The reason names the member of etcd that answered, and the next look may ask another: only the line has it. */
  #denied(key: string, { message: reason }: OverlayError): Verdict {
    return {
      problem: `cannot be watched in etcd: give this agent's user the right to read ${key}`,
      write: () => this.#deps.log.warn({ key, reason }, DENIED),
    };
  }
}

const AS_BEFORE = "The network config in etcd is again the one that this agent works by";
const WATCHED_AGAIN =
  "The network config in etcd can be watched again, it is the one that this agent works by";
const CHANGED =
  "The network config in etcd has changed, forwarding as before; restart the agent to apply the change";
const UNUSABLE =
  "The network config in etcd is not usable now, forwarding as before; mend it before an agent is restarted";
const DENIED =
  "The network config in etcd cannot be watched, forwarding as before; give the agent's user the right to read its key";
