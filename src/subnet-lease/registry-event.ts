import type { RegistryEvent } from "./registry.ts";

/** The key that was written or deleted. */
export function keyOf(event: RegistryEvent): string {
  return event.kind === "put" ? event.entry.key : event.key;
}

/** The revision of the write or the deletion. */
export function modRevisionOf(event: RegistryEvent): bigint {
  return event.kind === "put" ? event.entry.modRevision : event.modRevision;
}
