/** Keeps the guard's table in the kernel: cheap where only peers change, whole where anything else does. */
import type { Logger } from "pino";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { hasSameShape, readGuardCounters, readGuardListing } from "./guard-listing.ts";
import type { GuardListing } from "./guard-listing.ts";
import { HOLDS_HOOKS_BY_NAME, guardTableName, planGuard } from "./guard-plan.ts";
import type { WayOut } from "./guard-plan.ts";
import { findGuardTables, removeGuardTable } from "./guard-remains.ts";
import type { GuardRules } from "./guard-rules.ts";
import { planReplacement } from "./guard-replacement.ts";
import { GUARD_FAMILIES, formatElementChanges, structureOf } from "./guard-table.ts";
import type { GuardPlace, GuardTable } from "./guard-table.ts";
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
  /** What this kernel and this `nft` have; null before it was looked for. */
  #wayOut: WayOut | null = null;
  /** What the last `sync` wanted; undefined before the first. */
  #wanted: GuardRules | null | undefined;
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
    this.#wanted = wanted;
    if (wanted === null) return await this.#remove(signal);
    const table = await this.#plan(wanted, signal);
    const standing = this.#standing;
    if (standing === null || structureOf(standing) !== structureOf(table))
      return await this.#replace(table, signal);
    const present = new Map(standing.sets.map(({ name, elements }) => [name, elements]));
    return await this.#changeElements(table, present, signal);
  }

  async audit(signal: AbortSignal): Promise<number> {
    if (this.#wanted === undefined) return 0;
    if (this.#wanted === null) return await this.#remove(signal);
    const table = await this.#plan(this.#wanted, signal);
    const listing = await this.#list(table, signal);
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
    const drops = GUARD_FAMILIES.map(async (family) =>
      readGuardCounters(await this.#nft.listJson(["counters", "table", family, this.#name], signal)),
    );
    return Object.assign({}, ...(await Promise.all(drops))) as Record<string, number>;
  }

  async #plan(rules: GuardRules, signal: AbortSignal): Promise<GuardTable> {
    if (rules.tunnel === null)
      this.#wayOut ??= (await this.#nft.accepts(HOLDS_HOOKS_BY_NAME, signal)) ? "egress" : "postrouting";
    return planGuard(this.#name, rules, this.#wayOut ?? "postrouting");
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

  /** Lists what it wrote, so that audits know how this `nft` prints it; what it stands in for goes when it stands. */
  async #replace(table: GuardTable, signal: AbortSignal): Promise<number> {
    this.#standing = null;
    this.#listedStructure = null;
    const [present, places] = await Promise.all([this.#list(table, signal), this.#findPlaces(signal)]);
    for (const script of planReplacement(table, present)) await this.#nft.apply(script, signal);
    await this.#removeAll(
      places.filter(({ family }) => family !== table.family),
      signal,
    );
    this.#standing = table;
    const listing = await this.#list(table, signal);
    if (listing !== null && hasSameShape(listing, table)) this.#listedStructure = listing.structure;
    return 1;
  }

  async #remove(signal: AbortSignal): Promise<number> {
    this.#standing = null;
    const places = await this.#findPlaces(signal);
    await this.#removeAll(places, signal);
    return places.length === 0 ? 0 : 1;
  }

  /** Tables of ours, of whatever family. */
  async #findPlaces(signal: AbortSignal): Promise<GuardPlace[]> {
    return (await findGuardTables(this.#nft, signal)).filter(({ name }) => name === this.#name);
  }

  async #removeAll(places: readonly GuardPlace[], signal: AbortSignal): Promise<void> {
    for (const place of places) await removeGuardTable(this.#nft, place, signal);
  }

  async #list({ family, name }: GuardPlace, signal: AbortSignal): Promise<GuardListing | null> {
    return readGuardListing(await this.#nft.listJson(["table", family, name], signal));
  }
}
