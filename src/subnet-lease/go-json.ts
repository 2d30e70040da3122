/** JSON members as Go's encoding/json finds them, since flannel and its operators write for that reader. */
import { foldName } from "../net/fold-name.ts";
import type { JsonValue } from "./lease.ts";

/**
 * Deepest nesting that we read, the outer object included; what flannel's operators and backends write has three. What
 * walks a value, as `JSON.stringify` does, runs out of stack on one of many thousands.
 */
export const MAX_JSON_DEPTH = 16;

/**
 * The members of an object by folded name, the last of several matches wins. Null when `json` is not an object.
 * A Map, so that `__proto__` is a name like any other.
 */
export function foldMembers(json: JsonValue): Map<string, JsonValue> | null {
  if (!isJsonObject(json)) return null;
  return new Map(Object.entries(json).map(([name, value]) => [foldName(name), value]));
}

/** True for `{...}`, which `typeof` does not tell from null and arrays. */
export function isJsonObject(json: JsonValue): json is Readonly<Record<string, JsonValue>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** True for a value that is nested deeper than {@link MAX_JSON_DEPTH}. */
export function isTooDeep(json: JsonValue): boolean {
  return isDeeperThan(json, MAX_JSON_DEPTH);
}

function isDeeperThan(json: JsonValue, levels: number): boolean {
  if (typeof json !== "object" || json === null) return false;
  return levels === 0 || Object.values(json).some((member: JsonValue) => isDeeperThan(member, levels - 1));
}
