/** Reads what `nft -j list table` prints (libnftables-json(5)) of the guard's table. Pure. */
import { isRecord, numberOf, recordsOf, textOf } from "../json-fields.ts";
import type { JsonRecord } from "../json-fields.ts";
import type { GuardTable } from "./guard-table.ts";

/** What stands in the kernel. */
export interface GuardListing {
  /** Everything but elements, the values of counters and the kernel's handles: equal texts are equal rules. */
  readonly structure: string;
  /** Objects by kind and chain, such as `rule input`. */
  readonly objectCounts: ReadonlyMap<string, number>;
  /** By the name of the set; null where one is of a form that we never write. */
  readonly elements: ReadonlyMap<string, readonly string[]> | null;
  /** Of the addresses, or prefixes, that each set holds, by its name; null where it is another form than we make. */
  readonly setForms: ReadonlyMap<string, "plain" | "interval" | null>;
  /** Names of the chains. */
  readonly chains: readonly string[];
}

/** What moves without anybody changing a rule. */
const UNSTABLE_MEMBERS: ReadonlySet<string> = new Set(["handle", "elem", "packets", "bytes"]);
/** What every set has; a further one makes it another kind of set. */
const SET_MEMBERS: ReadonlySet<string> = new Set([
  "family",
  "table",
  "name",
  "handle",
  "type",
  "flags",
  "elem",
]);

/** Null when there is no table. */
export function readGuardListing(json: unknown): GuardListing | null {
  const objects = objectsOf(json);
  if (objects.length === 0) return null;
  const structure: unknown[] = [];
  const objectCounts = new Map<string, number>();
  const elements = new Map<string, readonly string[]>();
  const setForms = new Map<string, ReturnType<typeof readSetForm>>();
  const chains: string[] = [];
  let hasForeignElement = false;
  for (const [kind, object] of objects) {
    structure.push([kind, stableMembers(object)]);
    const key = `${kind} ${textOf(object, "chain") ?? ""}`;
    objectCounts.set(key, (objectCounts.get(key) ?? 0) + 1);
    const name = textOf(object, "name") ?? "";
    if (kind === "chain") chains.push(name);
    if (kind !== "set") continue;
    setForms.set(name, readSetForm(object));
    const held = readElements(object.elem);
    if (held === null) hasForeignElement = true;
    else elements.set(name, held);
  }
  return {
    structure: JSON.stringify(structure),
    objectCounts,
    elements: hasForeignElement ? null : elements,
    setForms,
    chains,
  };
}

/** Values of the counters, by name, of what `nft -j list counters` or `list table` printed. */
export function readGuardCounters(json: unknown): Record<string, number> {
  const counters = objectsOf(json).filter(([kind]) => kind === "counter");
  return Object.fromEntries(
    counters.map(([, object]) => [textOf(object, "name") ?? "", numberOf(object, "packets") ?? 0]),
  );
}

/**
 * Whether the listing has as many objects of each kind as the table. How `nft` prints a rule changes with its version,
 * so only a listing of what was just written tells how the rules look; this finds one that somebody else has
 * changed in between.
 */
export function hasSameShape({ objectCounts }: GuardListing, table: GuardTable): boolean {
  const expected = new Map([
    ["table ", 1],
    ["counter ", table.counters.length],
    ["set ", table.sets.length],
    ["chain ", table.chains.length],
    ...table.chains.map(({ name, rules }): [string, number] => [`rule ${name}`, rules.length]),
  ]);
  const isEqual = [...expected].every(([key, count]) => objectCounts.get(key) === count);
  return isEqual && objectCounts.size === expected.size;
}

/** Kind and members of each object of the table. */
function objectsOf(json: unknown): [string, JsonRecord][] {
  const list = isRecord(json) ? recordsOf(json.nftables) : [];
  return list.flatMap((wrapper) =>
    Object.entries(wrapper).filter(
      (entry): entry is [string, JsonRecord] => entry[0] !== "metainfo" && isRecord(entry[1]),
    ),
  );
}

function stableMembers(object: JsonRecord): [string, unknown][] {
  return Object.entries(object).filter(([member]) => !UNSTABLE_MEMBERS.has(member));
}

function readSetForm(set: JsonRecord): "plain" | "interval" | null {
  if (set.type !== "ipv4_addr" || Object.keys(set).some((member) => !SET_MEMBERS.has(member))) return null;
  if (set.flags === undefined) return "plain";
  return JSON.stringify(set.flags) === '["interval"]' ? "interval" : null;
}

function readElements(elem: unknown): string[] | null {
  if (elem === undefined) return []; // an empty set has no such member
  if (!Array.isArray(elem)) return null;
  const texts = elem.map(elementText);
  return texts.every((text) => text !== null) ? texts : null;
}

/** An address is a text, a prefix `{"prefix": {"addr": "10.244.2.0", "len": 24}}`. */
function elementText(element: unknown): string | null {
  if (typeof element === "string") return element;
  const prefix = isRecord(element) ? element.prefix : null;
  if (!isRecord(prefix)) return null;
  const address = textOf(prefix, "addr");
  const length = numberOf(prefix, "len");
  return address === null || length === null ? null : `${address}/${length}`;
}
