/** Reading what an engine answers: what Go leaves empty is null or absent, and what is of another kind is nothing to us. */

export type Json = Readonly<Record<string, unknown>>;

/** The value if it is an object, else one without members. */
export function asObject(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** The value if it is a text, else "". */
export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The texts of a list. */
export function asTexts(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [];
  return list.filter((one) => typeof one === "string");
}

/** A container's endpoints in all its networks. */
export function endpointsOf(container: Json): Json[] {
  return Object.values(asObject(asObject(container.NetworkSettings).Networks)).map(asObject);
}
