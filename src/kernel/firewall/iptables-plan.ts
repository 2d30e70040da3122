/** From what `iptables-save` prints to what `iptables-restore --noflush` is to read. */
import { OverlayError } from "../../net/overlay-error.ts";
import type { OwnChain } from "./iptables-rules.ts";
import type { FirewallChange } from "./write-until-equal.ts";

/** `iptables-save` of the nft variant on a table in which nft made what iptables cannot show. */
const UNREADABLE_TABLE = /^# Table `(\S+)' is incompatible/;

/** One table as `iptables-save` prints it. */
export interface SavedTable {
  readonly chains: ReadonlySet<string>;
  /** `-A CHAIN ...`, in order for each chain. */
  readonly rules: readonly string[];
}

/** The tables that there are, by name. Null: there is one, and iptables cannot show it. */
export type SavedTables = ReadonlyMap<string, SavedTable | null>;

/** Reads the output of `iptables-save`. */
export function parseSavedTables(text: string): SavedTables {
  const tables = new Map<string, SavedTable | null>();
  let chains = new Set<string>();
  let rules: string[] = [];
  for (const line of text.split("\n")) {
    const unreadable = UNREADABLE_TABLE.exec(line)?.[1];
    if (unreadable !== undefined) tables.set(unreadable, null);
    if (line.startsWith("*")) {
      chains = new Set();
      rules = [];
      tables.set(line.slice(1), { chains, rules });
    }
    if (line.startsWith(":")) chains.add(line.slice(1).split(" ", 1)[0] ?? "");
    if (line.startsWith("-A ")) rules.push(line);
  }
  return tables;
}

/**
 * The transaction that makes our chain and its jump as they are to be, or null when they are. The chain is filled anew
 * as a whole. Whatever else leads into it goes: a second jump, one with another comment. Where among the rules of
 * others the one jump stands does not matter.
 * @throws {OverlayError} `ERR_KERNEL_FAILED` when the chain is wanted in a table that iptables cannot show
 */
export function planChain(chain: OwnChain, tables: SavedTables): FirewallChange | null {
  const saved = tables.get(chain.table) ?? null;
  if (saved === null && tables.has(chain.table) && chain.rules !== null) throw unreadable(chain.table);
  const { chains, rules } = saved ?? { chains: new Set(), rules: [] };
  const commands =
    chain.rules === null
      ? removalOf(chain, chains.has(chain.name), rules)
      : repairOf(chain, chain.rules, chains.has(chain.name), rules);
  if (commands.length === 0) return null;
  return { place: `table ${chain.table}`, script: payload(chain.table, commands) };
}

/** What `iptables-restore` reads: one table, one transaction. */
export function payload(table: string, commands: readonly string[]): string {
  return [`*${table}`, ...commands, "COMMIT", ""].join("\n");
}

function removalOf(chain: OwnChain, isThere: boolean, rules: readonly string[]): string[] {
  if (!isThere) return [];
  return [emptied(chain), ...jumpsTo(chain, rules).map(deletion), `-X ${chain.name}`];
}

function repairOf(
  chain: OwnChain,
  wanted: readonly string[],
  isThere: boolean,
  rules: readonly string[],
): string[] {
  const present = rules.filter((rule) => rule.startsWith(`-A ${chain.name} `));
  const isSame = isThere && present.join("\n") === wanted.join("\n");
  const jumps = rules.filter((rule) => rule === chain.jump); // another one is somebody's own
  return [
    ...(isSame ? [] : [emptied(chain), ...wanted]),
    ...jumps.slice(1).map(deletion),
    ...(jumps.length === 0 ? [chain.jump] : []),
  ];
}

/** Makes the chain, or takes out all of its rules. */
function emptied(chain: OwnChain): string {
  return `:${chain.name} - [0:0]`;
}

/** Rules of any chain that lead into ours. A jump to a chain has no options, so its name ends the line. */
function jumpsTo(chain: OwnChain, rules: readonly string[]): string[] {
  return rules.filter((rule) => rule.endsWith(` -j ${chain.name}`) || rule.endsWith(` -g ${chain.name}`));
}

function deletion(rule: string): string {
  return rule.replace(/^-A/, "-D");
}

function unreadable(table: string): OverlayError {
  return new OverlayError(
    "ERR_KERNEL_FAILED",
    `Cannot read the table ${table}: it holds rules made by nft that iptables cannot show, move them to a table of another name or set EnableNFTables`,
  );
}
