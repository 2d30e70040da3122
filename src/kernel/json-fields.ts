/** Typed access to the JSON that `ip -j` prints. A member that is absent or of another type reads as null. */

export type JsonRecord = Readonly<Record<string, unknown>>;

/** The objects of a JSON array. `ip` prints empty objects for entries that its filters left out. */
export function recordsOf(json: unknown): JsonRecord[] {
  return Array.isArray(json) ? json.filter(isRecord) : [];
}

export function textOf(record: JsonRecord, member: string): string | null {
  const value = record[member];
  return typeof value === "string" ? value : null;
}

export function numberOf(record: JsonRecord, member: string): number | null {
  const value = record[member];
  return typeof value === "number" ? value : null;
}

/** True when the array `member` holds `value`, as in `"flags": ["UP"]`. */
export function listHas(record: JsonRecord, member: string, value: string): boolean {
  const list = record[member];
  return Array.isArray(list) && list.includes(value);
}

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
