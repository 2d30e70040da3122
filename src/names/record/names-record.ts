/**
 * The names of one host's containers as etcd stores them, beside the leases and out of flannel's sight, which reads
 * `config` and `subnets` only.
 *
 *   <prefix>/names/10.244.5.0-24    {"names":{"db.shop":["10.244.5.2"],"shop_db_1":["10.244.5.2"]},
 *                                    "owners":{"10.244.5.2":"shop_db_1"}}
 *
 * The key is of the host that has leased the subnet. What is read here was written by somebody else: nothing throws on it.
 */
import { posix } from "node:path";
import { Ipv4Address, Ipv4Prefix } from "../../net/ipv4.ts";
import { showUntrusted, showUntrustedJson } from "../../net/untrusted-text.ts";
import { parseDnsName } from "../dns-name.ts";
import { NamesBuilder } from "./host-names.ts";
import type { HostNames } from "./host-names.ts";

/** The 254 containers of a /24 with three further names each take about 50 KB. */
export const MAX_RECORD_BYTES = 65_536;
const SUBNET_NAME = /^([0-9.]{7,15})-([1-9]|[12][0-9]|30)$/;
/** What stands around names and owners. */
const FRAME_BYTES = '{"names":{},"owners":{}}'.length;

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

/** A record as it is written, and how much of it there was no room for. */
export interface NamesRecordText {
  readonly text: string;
  readonly leftOutNames: number;
  readonly leftOutOwners: number;
}

/** The record's text, the same for the same names. Owners are left out before names. */
export function formatNamesRecord({ addresses, owners }: HostNames): NamesRecordText {
  const names = [...addresses].map(([name, held]) => `${JSON.stringify(name)}:${JSON.stringify(held)}`);
  const owned = [...owners].map(
    ([value, owner]) => `"${new Ipv4Address(value).toString()}":${JSON.stringify(owner)}`,
  );
  const fitting = countFitting([...names, ...owned]);
  const fittingNames = Math.min(fitting, names.length);
  const fittingOwners = fitting - fittingNames;
  return {
    text: `{"names":{${names.slice(0, fittingNames).join(",")}},"owners":{${owned.slice(0, fittingOwners).join(",")}}}`,
    leftOutNames: names.length - fittingNames,
    leftOutOwners: owned.length - fittingOwners,
  };
}

/** How many of these texts, all ASCII, there is room for. */
function countFitting(members: readonly string[]): number {
  let bytes = FRAME_BYTES;
  for (const [i, member] of members.entries()) {
    bytes += member.length + 1; // with its comma
    if (bytes > MAX_RECORD_BYTES) return i;
  }
  return members.length;
}

/**
 * Reads the record of the host that has `subnet`: of its names those that are names, of addresses those of the subnet, of
 * owners those that have the address by their name too.
 */
export function parseNamesRecord(value: Uint8Array, subnet: Ipv4Prefix): NamesRecordResult {
  if (value.byteLength > MAX_RECORD_BYTES) {
    return { ok: false, reason: `it has ${value.byteLength} bytes, more than ${MAX_RECORD_BYTES}` };
  }
  const record = readRecord(new TextDecoder().decode(value));
  if (record === null) return { ok: false, reason: 'it is no JSON object with an object "names"' };
  const builder = new NamesBuilder();
  const problems = [
    ...Object.entries(record.names).map(([text, addresses]) => addName(builder, subnet, text, addresses)),
    ...Object.entries(record.owners).map(([text, owner]) => addOwner(builder, text, owner)),
  ];
  return { ok: true, names: builder.build(), leftOut: problems.find((problem) => problem !== null) ?? null };
}

function readRecord(text: string): { readonly names: object; readonly owners: object } | null {
  try {
    const record: unknown = JSON.parse(text);
    if (!isObject(record) || !("names" in record) || !isObject(record.names)) return null;
    return {
      names: record.names,
      owners: "owners" in record && isObject(record.owners) ? record.owners : {},
    };
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

/** Adds an owner that can be believed: it has said itself that the address is its own. Returns what cannot, or null. */
function addOwner(builder: NamesBuilder, text: string, owner: unknown): string | null {
  const address = Ipv4Address.parse(text);
  const name = typeof owner === "string" ? parseDnsName(owner) : null;
  if (address === null || name === null || !builder.has(name, address))
    return `owner ${showUntrustedJson(owner)} of ${showUntrusted(text)}, which it does not have`;
  builder.addOwner(name, address);
  return null;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
