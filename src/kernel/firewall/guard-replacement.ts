/** How a guard's table takes the place of what is there, without the loss of a packet. Pure. */
import type { GuardListing } from "./guard-listing.ts";
import { formatChains, formatElementChanges, formatReplacement, formatSets } from "./guard-table.ts";
import type { GuardTable } from "./guard-table.ts";

/**
 * Scripts, each a transaction, to be applied in this order. Sets come before the rules that ask them: rules of a
 * transaction are in force a moment before the prefixes of a set that it makes can be found (Linux 6.18 lost one or two
 * packets of 100,000 a second at each replacement), and what is not found is dropped. So the sets of a table that stands
 * are kept and changed in place, where they are of the right form; else everything is replaced at once.
 * @param listing what is there, or null
 */
export function planReplacement(table: GuardTable, listing: GuardListing | null): string[] {
  if (listing === null) return [formatSets(table), formatChains(table, [])];
  const { elements, chains } = listing;
  if (elements === null || !hasRoomFor(table, listing)) return [formatReplacement(table)];
  const scripts = [formatElementChanges(table, elements), formatChains(table, chains)];
  return scripts.filter((script) => script !== "");
}

/** Whether all that is there is of the table's own, and the sets are as it makes them. */
function hasRoomFor(table: GuardTable, { objectCounts, chains, setForms }: GuardListing): boolean {
  const ownChains = new Set(table.chains.map(({ name }) => name));
  return (
    objectCounts.get("counter ") === table.counters.length &&
    objectCounts.get("set ") === table.sets.length &&
    table.sets.every(({ name, isInterval }) => setForms.get(name) === (isInterval ? "interval" : "plain")) &&
    chains.every((name) => ownChains.has(name)) &&
    [...objectCounts.keys()].every((key) => /^(table|counter|set|chain) $|^rule /.test(key))
  );
}
