/** The guard's table as a value, and the scripts for `nft -f` that make it so. Pure. */

/** Family of a table: `netdev` sees the packets of one interface. */
export type GuardFamily = "ip" | "netdev";
export const GUARD_FAMILIES: readonly GuardFamily[] = ["ip", "netdev"];

/** A set of addresses or prefixes. */
export interface GuardSet {
  readonly name: string;
  /** Whether it holds prefixes, which must not overlap then. */
  readonly isInterval: boolean;
  /** As `nft` writes them: a prefix of one address has no length. */
  readonly elements: readonly string[];
}

export interface GuardChain {
  readonly name: string;
  /** Hook and priority; null for a chain that others jump to. */
  readonly hook: string | null;
  readonly rules: readonly string[];
}

/** An nftables table. No family has IPv6: underlay and overlay are IPv4, and no IPv6 socket takes encapsulated packets. */
export interface GuardTable {
  readonly family: GuardFamily;
  readonly name: string;
  readonly counters: readonly string[];
  readonly sets: readonly GuardSet[];
  readonly chains: readonly GuardChain[];
}

/** What tells a table from all others of a host. */
export type GuardPlace = Pick<GuardTable, "family" | "name">;

/**
 * Puts the table in the place of whatever has its name, in one transaction. For a moment at its end packets meet the new
 * rules, and find none of the prefixes that a new set holds: `planReplacement` does without that where it can.
 */
export function formatReplacement(table: GuardTable): string {
  return `${formatRemoval(table)}${formatTable(table, [...setLines(table), ...table.chains.map(formatChain)])}`;
}

/** Makes counters and sets of a table that is not there, and no rule that asks them. */
export function formatSets(table: GuardTable): string {
  return formatTable(table, setLines(table));
}

/**
 * Puts the chains in the place of those that are there, by name; counters and sets stay.
 * @param present some of the table's own
 */
export function formatChains(table: GuardTable, present: readonly string[]): string {
  const removals = present.map((name) => `delete chain ${placeOf(table)} ${name}\n`);
  const flush = present.length === 0 ? "" : `flush table ${placeOf(table)}\n`; // its rules: chains that lead to one keep it
  return `${flush}${removals.join("")}${formatTable(table, table.chains.map(formatChain))}`;
}

/** Takes the table away, whether it is there or not. */
export function formatRemoval(table: GuardPlace): string {
  return `add table ${placeOf(table)}\ndelete table ${placeOf(table)}\n`;
}

/** Everything of the table but the elements of its sets: two that agree in this differ in elements alone. */
export function structureOf(table: GuardTable): string {
  return formatReplacement({ ...table, sets: table.sets.map((set) => ({ ...set, elements: [] })) });
}

/** What `present` lacks of the table's elements and has beyond them; "" when they are the same. */
export function formatElementChanges(
  table: GuardTable,
  present: ReadonlyMap<string, readonly string[]>,
): string {
  return table.sets
    .flatMap(({ name, elements }) => {
      const before = present.get(name) ?? [];
      const place = `element ${placeOf(table)} ${name}`;
      // Surplus goes first: a prefix that is to come may overlap one that is to go.
      return [
        formatElements(`delete ${place}`, before, elements),
        formatElements(`add ${place}`, elements, before),
      ];
    })
    .join("");
}

/** The command for those elements of `all` that are not in `others`. */
function formatElements(command: string, all: readonly string[], others: readonly string[]): string {
  const known = new Set(others);
  const elements = all.filter((element) => !known.has(element));
  return elements.length === 0 ? "" : `${command} { ${elements.join(", ")} }\n`;
}

function formatTable(table: GuardTable, body: readonly string[]): string {
  return `table ${placeOf(table)} {\n${body.join("\n")}\n}\n`;
}

function placeOf({ family, name }: GuardPlace): string {
  return `${family} ${name}`;
}

function setLines({ counters, sets }: GuardTable): string[] {
  return [...counters.map((name) => `counter ${name} { }`), ...sets.map(formatSet)];
}

function formatSet({ name, isInterval, elements }: GuardSet): string {
  const flags = isInterval ? " flags interval;" : "";
  const held = elements.length === 0 ? "" : ` elements = { ${elements.join(", ")} };`;
  return `set ${name} { type ipv4_addr;${flags}${held} }`;
}

function formatChain({ name, hook, rules }: GuardChain): string {
  const type = hook === null ? [] : [`type filter hook ${hook}; policy accept;`];
  return [`chain ${name} {`, ...type, ...rules, "}"].join("\n");
}
