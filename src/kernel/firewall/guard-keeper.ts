/** Keeps the guard's table in the kernel: cheap where only peers change, whole where anything else does. */
import type { Logger } from "pino";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { hasSameShape, readGuardCounters, readGuardListing } from "./guard-listing.ts";
import type { GuardListing } from "./guard-listing.ts";
import { guardTableName, planGuard } from "./guard-plan.ts";
import type { GuardRules } from "./guard-rules.ts";
import { planReplacement } from "./guard-replacement.ts";
import { formatElementChanges, formatRemoval, structureOf } from "./guard-table.ts";
import type { GuardTable } from "./guard-table.ts";
import type { NftCommand } from "./nft-command.ts";

/** Calls must not overlap, but for `readDrops`. */
export interface GuardKeeper {
  /**
   * Makes the table what is wanted; null: none. Each packet meets what was wanted before or what is wanted now. Trusts
   * what the last call left, so a change of peers costs as much as differs; what others changed meanwhile is for `audit`,
   * unless it is found in the way. The first call replaces what an earlier run left. Resolves with 1 when it wrote
   * something, else 0.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
   */
  sync(wanted: GuardRules | null, signal: AbortSignal): Promise<number>;
  /**
   * Compares the table, rules and elements, with what the last `sync` wanted, and repairs it. Resolves with 1 when it
   * had to, else 0; before the first `sync` it does nothing.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
   */
  audit(signal: AbortSignal): Promise<number>;
  /**
   * Packets dropped since the table was made, by reason (`GUARD_COUNTERS`); none where there is no table.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the text of `nft`
   */
  readDrops(signal: AbortSignal): Promise<Record<string, number>>;
}

export interface GuardKeeperDeps {
  readonly nft: NftCommand;
  /** Overlay network of the agent, which names the table. */
  readonly network: Ipv4Prefix;
  readonly log: Logger;
}

/** The guard of one agent. Does nothing before its first call. */
export function createGuardKeeper(deps: GuardKeeperDeps): GuardKeeper {
  return new NftGuardKeeper(deps);
}

class NftGuardKeeper implements GuardKeeper {
  readonly #nft: NftCommand;
  readonly #log: Logger;
  readonly #name: string;
  /** What the last `sync` wanted; undefined before the first. */
  #wanted: GuardTable | null | undefined;
  /** What is taken to stand; null when nothing is known. */
  #standing: GuardTable | null = null;
  /** Structure of the listing made right after the table was written; null while there is none. */
  #listedStructure: string | null = null;

  constructor({ nft, network, log }: GuardKeeperDeps) {
    this.#nft = nft;
    this.#name = guardTableName(network);
    this.#log = log;
  }

  async sync(wanted: GuardRules | null, signal: AbortSignal): Promise<number> {
    if (wanted === null) {
      this.#wanted = null;
      return await this.#remove(signal);
    }
    const table = planGuard(this.#name, wanted);
    this.#wanted = table;
    const standing = this.#standing;
    if (standing === null || structureOf(standing) !== structureOf(table))
      return await this.#replace(table, signal);
    const present = new Map(standing.sets.map(({ name, elements }) => [name, elements]));
    return await this.#changeElements(table, present, signal);
  }

  async audit(signal: AbortSignal): Promise<number> {
    if (this.#wanted === undefined) return 0;
    if (this.#wanted === null) return await this.#remove(signal);
    const table = this.#wanted;
    const listing = await this.#list(signal);
    const elements = listing?.elements ?? null;
    if (elements === null || listing?.structure !== this.#listedStructure) {
      this.#log.debug(
        { table: this.#name, isThere: listing !== null },
        "Rules of the guard differ, replacing them",
      );
      return await this.#replace(table, signal);
    }
    return await this.#changeElements(table, elements, signal);
  }

  async readDrops(signal: AbortSignal): Promise<Record<string, number>> {
    return readGuardCounters(await this.#nft.listJson(["counters", "table", "ip", this.#name], signal));
  }

  async #changeElements(
    table: GuardTable,
    present: ReadonlyMap<string, readonly string[]>,
    signal: AbortSignal,
  ): Promise<number> {
    const script = formatElementChanges(table, present);
    if (script !== "") {
      this.#standing = null; // until it is known again
      try {
        await this.#nft.apply(script, signal);
      } catch (err) {
        signal.throwIfAborted();
        this.#log.debug(
          { err, table: this.#name },
          "Peers of the guard cannot be changed, replacing all of it",
        );
        return await this.#replace(table, signal);
      }
    }
    this.#standing = table;
    return script === "" ? 0 : 1;
  }

  /** Lists what it wrote, so that audits know how this `nft` prints it. */
  async #replace(table: GuardTable, signal: AbortSignal): Promise<number> {
    this.#standing = null;
    this.#listedStructure = null;
    const present = await this.#list(signal);
    for (const script of planReplacement(table, present)) await this.#nft.apply(script, signal);
    this.#standing = table;
    const listing = await this.#list(signal);
    if (listing !== null && hasSameShape(listing, table)) this.#listedStructure = listing.structure;
    return 1;
  }

  async #remove(signal: AbortSignal): Promise<number> {
    this.#standing = null;
    if ((await this.#list(signal)) === null) return 0;
    await this.#nft.apply(formatRemoval(this.#name), signal);
    return 1;
  }

  async #list(signal: AbortSignal): Promise<GuardListing | null> {
    return readGuardListing(await this.#nft.listJson(["table", "ip", this.#name], signal));
  }
}
