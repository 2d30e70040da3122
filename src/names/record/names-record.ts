/**
 * The names of one host's containers as etcd stores them, beside the leases and out of flannel's sight, which reads
 * `config` and `subnets` only.
 *
 *   <prefix>/names/10.244.5.0-24    {"names":{"web":["10.244.5.2"],"web.shop":["10.244.5.2"]}}
 *
 * The key is of the host that has leased the subnet. What is read here was written by somebody else: nothing throws on it.
 */
import { posix } from "node:path";
import { Ipv4Address, Ipv4Prefix } from "../../net/ipv4.ts";
import { showUntrusted, showUntrustedJson } from "../../net/untrusted-text.ts";
import { parseDnsName } from "../dns-name.ts";
import { NamesBuilder } from "./host-names.ts";
import type { HostNames } from "./host-names.ts";

/** About a thousand names; a /24 has 254 addresses. */
export const MAX_RECORD_BYTES = 65_536;
const SUBNET_NAME = /^([0-9.]{7,15})-([1-9]|[12][0-9]|30)$/;
/** What stands around the names. */
const FRAME_BYTES = '{"names":{}}'.length;

/** A record that was read, or why it cannot be believed. Texts are fit for a log line. */
export type NamesRecordResult =
  | {
      readonly ok: true;
      readonly names: HostNames;
      /** The first part that was left out. */ readonly leftOut: string | null;
    }
  | { readonly ok: false; readonly reason: string };

/** What every record's key starts with. */
export function namesPrefix(prefix: string): string {
  return `${posix.join(prefix, "names")}/`;
}

/** Key of the host that has leased the subnet. */
export function namesKey(prefix: string, subnet: Ipv4Prefix): string {
  return `${namesPrefix(prefix)}${subnet.address.toString()}-${subnet.length}`;
}

/** The subnet that a key names, or null when the key is not exactly what {@link namesKey} writes. */
export function parseNamesKey(prefix: string, key: string): Ipv4Prefix | null {
  const start = namesPrefix(prefix);
  const match = key.startsWith(start) ? SUBNET_NAME.exec(key.slice(start.length)) : null;
  return match === null ? null : Ipv4Prefix.parse(`${match[1] ?? ""}/${match[2] ?? ""}`);
}

/** The record's text, the same for the same names, and how many names there was no room for. */
export function formatNamesRecord(names: HostNames): { readonly text: string; readonly leftOut: number } {
  const members: string[] = [];
  let bytes = FRAME_BYTES;
  for (const [name, addresses] of names) {
    const member = `${JSON.stringify(name)}:${JSON.stringify(addresses)}`; // ASCII: a character is a byte
    bytes += member.length + 1;
    if (bytes > MAX_RECORD_BYTES) break;
    members.push(member);
  }
  return { text: `{"names":{${members.join(",")}}}`, leftOut: names.size - members.length };
}

/** Reads the record of the host that has `subnet`: of its names those that are names, of addresses those of the subnet. */
export function parseNamesRecord(value: Uint8Array, subnet: Ipv4Prefix): NamesRecordResult {
  if (value.byteLength > MAX_RECORD_BYTES) {
    return { ok: false, reason: `it has ${value.byteLength} bytes, more than ${MAX_RECORD_BYTES}` };
  }
  const names = readNames(new TextDecoder().decode(value));
  if (names === null) return { ok: false, reason: 'it is no JSON object with an object "names"' };
  const builder = new NamesBuilder();
  let leftOut: string | null = null;
  for (const [text, addresses] of Object.entries(names)) {
    const problem = addName(builder, subnet, text, addresses);
    leftOut ??= problem;
  }
  return { ok: true, names: builder.build(), leftOut };
}

function readNames(text: string): object | null {
  try {
    const record: unknown = JSON.parse(text);
    const names: unknown = isObject(record) && "names" in record ? record.names : null;
    return isObject(names) ? names : null;
  } catch {
    return null; // no JSON
  }
}

/** Adds what can be believed; returns what cannot, or null. */
function addName(builder: NamesBuilder, subnet: Ipv4Prefix, text: string, addresses: unknown): string | null {
  const name = parseDnsName(text);
  if (name === null) return `name ${showUntrusted(text)}`;
  if (!Array.isArray(addresses)) return `name ${showUntrusted(text)} has no list of addresses`;
  let leftOut: string | null = null;
  for (const one of addresses as unknown[]) {
    const address = typeof one === "string" ? Ipv4Address.parse(one) : null;
    if (address !== null && subnet.contains(address)) builder.add(name, address);
    else leftOut ??= `${showUntrustedJson(one)} of ${name} is no address of ${subnet.toString()}`;
  }
  return leftOut;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
