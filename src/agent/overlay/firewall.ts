/** Keeps the firewall rules as they should be: flannel's own, and the guard. Apart from forwarding: neither waits for the other. */
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { FlannelRules } from "../../kernel/firewall/flannel-rules.ts";
import type { GuardKeeper } from "../../kernel/firewall/guard-keeper.ts";
import type { GuardRules } from "../../kernel/firewall/guard-rules.ts";
import type { RuleKeeper } from "../../kernel/firewall/rule-keeper.ts";
import type { Clock } from "../../net/clock.ts";
import { FailureLog } from "../../subnet-lease/failure-log.ts";
import { Upkeep } from "../loops/upkeep.ts";

/** What the rules follow from. */
export interface FirewallWish {
  readonly rules: FlannelRules;
  /** Null: this node carries no packets. */
  readonly guard: GuardRules | null;
}

/** What makes the rules. */
export interface FirewallKeepers {
  readonly rules: RuleKeeper<FlannelRules>;
  readonly guard: GuardKeeper;
}

export interface FirewallDeps extends FirewallKeepers {
  readonly clock: Clock;
  readonly log: Logger;
  /** Audits without a cause come this often. */
  readonly auditEveryMs: number;
  /** Hears once, when the first wish was tried, well or not: a host without nftables must not wait for ever. */
  readonly onTried: () => void;
}

export class Firewall {
  readonly #deps: FirewallDeps;
  readonly #repairLog: FailureLog;
  /** Each has its own retries: where one program is missing, what the other makes is kept up all the same. */
  readonly #guard: Upkeep;
  readonly #rules: Upkeep;
  #wish: FirewallWish | null = null;
  readonly #untried = new Set(["guard", "rules"]);

  constructor(deps: FirewallDeps) {
    this.#deps = deps;
    this.#repairLog = new FailureLog(deps.clock);
    const canAudit = (): boolean => this.#wish !== null;
    const guard = {
      apply: (signal: AbortSignal) => this.#applyGuard(signal),
      audit: async (signal: AbortSignal) => this.#told("guard", await deps.guard.audit(signal)),
      canAudit,
      failureText: "Cannot bring the guard's firewall rules up to date, will retry",
      recoveryText: "The guard's firewall rules are up to date again",
    };
    const rules = {
      apply: (signal: AbortSignal) => this.#applyRules(signal),
      audit: async (signal: AbortSignal) => this.#told("flannel", await this.#keepRules(signal)),
      canAudit,
      failureText: "Cannot bring flannel's firewall rules up to date, will retry",
      recoveryText: "flannel's firewall rules are up to date again",
    };
    this.#guard = new Upkeep(guard, deps, deps.auditEveryMs);
    this.#rules = new Upkeep(rules, deps, deps.auditEveryMs);
  }

  /** The rules from now on. Before the first call what an earlier run left stays as it is. */
  want(wish: FirewallWish): void {
    const before = this.#wish;
    this.#wish = wish;
    if (!isDeepStrictEqual(wish.guard, before?.guard)) this.#guard.wish();
    if (!isDeepStrictEqual(wish.rules, before?.rules)) this.#rules.wish();
  }

  /** Somebody has changed firewall rules: compare soon. */
  doubt(): void {
    this.#guard.doubt();
    this.#rules.doubt();
  }

  /** Applies every wish, retries what failed, and audits when it is time to, until aborted. The rules stay. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#guard.run(signal), this.#rules.run(signal)]);
  }

  async #applyGuard(signal: AbortSignal): Promise<void> {
    if (this.#wish === null) return;
    await this.#deps.guard.sync(this.#wish.guard, signal).finally(() => this.#onTried("guard"));
  }

  async #applyRules(signal: AbortSignal): Promise<void> {
    if (this.#wish === null) return;
    await this.#keepRules(signal).finally(() => this.#onTried("rules"));
  }

  async #keepRules(signal: AbortSignal): Promise<number> {
    return this.#wish === null ? 0 : await this.#deps.rules.keep(this.#wish.rules, signal);
  }

  #onTried(what: string): void {
    if (this.#untried.delete(what) && this.#untried.size === 0) this.#deps.onTried();
  }

  /** Whoever fights us has us repair every second, which is worth a line a minute. */
  #told(rules: "guard" | "flannel", repairs: number): number {
    if (repairs > 0 && this.#repairLog.isNews(rules))
      this.#deps.log.warn({ rules, repairs }, "Firewall rules were changed, repaired");
    return repairs;
  }
}
