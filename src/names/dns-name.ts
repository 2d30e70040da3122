/** Names of containers as the DNS can say them, without the zone. */

/** RFC 1035 section 2.3.1 with the underscore, which names of containers and of compose services have. */
const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
/** With the longest zone and the dot between them this stays below the 253 characters that a name may have. */
const MAX_NAME_LENGTH = 180;
const MAX_ZONE_LENGTH = 63;

/** The name in lower case, or null when it is none: an empty or long label, or a character that no name has. */
export function parseDnsName(text: string): string | null {
  const isName = text.length <= MAX_NAME_LENGTH && text.split(".").every((label) => LABEL.test(label));
  return isName ? text.toLowerCase() : null;
}

/** The zone in lower case, such as `twill` or `containers.internal`; null when it is no name of at most 63 characters. */
export function parseZone(text: string): string | null {
  return text.length <= MAX_ZONE_LENGTH ? parseDnsName(text) : null;
}
