/** Longest piece of somebody else's text that a message of ours repeats, in UTF-16 units. */
const MAX_SHOWN = 80;

/**
 * Text from etcd, the wire or a file, made fit for a message: anything but printable ASCII becomes an
 * escape, so it can neither forge a line nor drive a terminal, and long text is cut.
 */
export function showUntrusted(text: string): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  return `"${cut.replace(/[^\x20-\x7e]|["\\]/g, escapeUnit)}"`;
}

function escapeUnit(unit: string): string {
  if (unit === '"' || unit === "\\") return `\\${unit}`;
  return Array.from(
    { length: unit.length },
    (_, i) => `\\u${unit.charCodeAt(i).toString(16).padStart(4, "0")}`,
  ).join("");
}
