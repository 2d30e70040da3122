/** JSON members as Go's encoding/json finds them, since flannel and its operators write for that reader. */
import type { JsonValue } from "./lease.ts";

/**
 * The members of an object by folded name: lower case, the last of several matches wins. Null when `json` is
 * not an object. A Map, so that `__proto__` is a name like any other.
 */
export function foldMembers(json: JsonValue): Map<string, JsonValue> | null {
  if (!isJsonObject(json)) return null;
  return new Map(Object.entries(json).map(([name, value]) => [foldName(name), value]));
}

/** True for `{...}`, which `typeof` does not tell from null and arrays. */
export function isJsonObject(json: JsonValue): json is Readonly<Record<string, JsonValue>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** Unicode's simple case folding as far as it reaches ASCII: besides A-Z, the Kelvin sign and the long s. */
function foldName(name: string): string {
  return name
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replaceAll("\u212a", "k")
    .replaceAll("\u017f", "s");
}
