/** Longest piece of somebody else's text that a message of ours repeats, in UTF-16 units. */
const MAX_SHOWN = 80;

/**
 * Text from etcd, the wire or a file, made fit for a message: anything but printable ASCII becomes an
 * escape, so it can neither forge a line nor drive a terminal, and long text is cut.
 */
export function showUntrusted(text: string): string {
  return `"${escapeUntrusted(text)}"`;
}

/** The same without quotes, for a field of a log line: JSON has its own. */
export function escapeUntrusted(text: string): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  return cut.replace(/[^\x20-\x7e]|["\\]/g, escapeUnit);
}

/** A value of somebody else's JSON in a message: quotes stand around text only. Undefined is an absent member. */
export function showUntrustedJson(value: unknown): string {
  if (value === undefined) return "(absent)";
  if (typeof value === "string") return showUntrusted(value);
  // JSON has no word for Infinity, which is what 1e999 reads as.
  return typeof value === "number" ? String(value) : escapeUntrusted(stringify(value));
}

/** The text, uncut, with an escape for anything but printable ASCII and the letters and digits of any script. */
export function escapeUnprintable(text: string): string {
  return text.replace(/[^\x20-\x7e\p{L}\p{N}]/gu, escapeUnit);
}

/** JSON.parse reads what is nested deeper than JSON.stringify can write. */
function stringify(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (err) {
    if (err instanceof RangeError) return "(nested too deeply to show)";
    throw err;
  }
}

function escapeUnit(unit: string): string {
  if (unit === '"' || unit === "\\") return `\\${unit}`;
  return Array.from(
    { length: unit.length },
    (_, i) => `\\u${unit.charCodeAt(i).toString(16).padStart(4, "0")}`,
  ).join("");
}
