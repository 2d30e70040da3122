/** What a CNI plugin writes to its standard output (CNI spec 1.0.0, section 5). */
import { parsePluginError } from "../cni/call/parse-plugin-error.ts";
import { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";

/** Part of a plugin's words that a message of ours repeats, in UTF-16 units. */
const MAX_SHOWN = 500;

/** The first IPv4 address in the result of ADD, or null when the plugin gave none. */
export function addressIn(result: unknown): string | null {
  const ips = memberOf(result, "ips");
  if (!Array.isArray(ips)) return null;
  for (const ip of ips) {
    const text = memberOf(ip, "address");
    if (typeof text !== "string" || Ipv4Prefix.parseContaining(text) === null) continue;
    return Ipv4Address.parse(text.slice(0, text.indexOf("/")))?.toString() ?? null;
  }
  return null;
}

/**
 * What a plugin that failed said, in one line: the error object of the specification when it wrote one, else its words
 * on standard error. Null when it said nothing.
 */
export function failureIn(stdout: string, stderr: string): string | null {
  const error = parsePluginError(stdout);
  if (error === null) return oneLine(stderr);
  const more = error.details === undefined ? "" : `; ${error.details}`;
  const number = error.code === null ? "" : ` (CNI error ${error.code})`;
  return `${oneLine(`${error.msg}${more}`) ?? ""}${number}`;
}

/** The value of some JSON, or null when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function oneLine(text: string): string | null {
  const line = text
    .replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ")
    .trim()
    .slice(0, MAX_SHOWN);
  return line === "" ? null : line;
}
