/**
 * A lease as etcd stores it, in flannel's form.
 *
 *   <prefix>/subnets/10.244.7.0-24                        IPv4
 *   <prefix>/subnets/10.244.7.0-24&2001:db8:7::-64        dual stack
 *   {"PublicIP":"192.0.2.10","PublicIPv6":null[,"BackendType":...][,"BackendData":...][,"BackendV6Data":...]}
 *
 * plus our own member `NodeID`, which stands last and which flannel ignores. Whatever is read here was
 * written by somebody else, so nothing in this file throws on what it reads.
 */
import { posix } from "node:path";
import { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import { Ipv6Address, Ipv6Prefix } from "../net/ipv6.ts";
import { showUntrustedJson } from "../net/untrusted-text.ts";
import { foldMembers, isTooDeep, MAX_JSON_DEPTH } from "./go-json.ts";
import type { JsonValue, LeaseAttributes } from "./lease.ts";

/** Largest value we read: flannel's longest, dual-stack wireguard, has about 400 bytes. */
export const MAX_LEASE_VALUE_BYTES = 4096;
const MAX_BACKEND_TYPE_LENGTH = 64;
const MAX_NODE_ID_LENGTH = 128; // a UUID has 36, a machine id 32
const PRINTABLE_ASCII = /^[\x21-\x7e]+$/;

/**
 * A claim on less than four addresses cannot come from a config that passes validation; one on a /0 claims
 * every address there is, and a forwarder that believed it would send all traffic to one node.
 */
const MIN_LENGTH = 1;
const MAX_LENGTH4 = 30;
const MAX_LENGTH6 = 126;
const LEASE_NAME = /^([0-9.]{7,15})-([0-9]{1,2})(?:&([0-9a-f:]{2,39})-([0-9]{1,3}))?$/;

/** What a lease key says. */
export interface LeaseKey {
  readonly subnet: Ipv4Prefix;
  readonly subnet6: Ipv6Prefix | null;
}

/** What a lease value says, or why it cannot be believed; `reason` is fit for a log line. */
export type LeaseValueResult =
  | { readonly ok: true; readonly attributes: LeaseAttributes }
  | { readonly ok: false; readonly reason: string };

/** Key of the network config. */
export function configKey(prefix: string): string {
  return posix.join(prefix, "config");
}

/**
 * What every lease key starts with. Cleaned as a path, as flannel does; unlike flannel's it ends in a slash,
 * so that keys of a sibling such as `subnets-old/` are not taken for leases.
 */
export function leasePrefix(prefix: string): string {
  return `${posix.join(prefix, "subnets")}/`;
}

/** Key of the lease on these subnets. */
export function leaseKey(prefix: string, subnet: Ipv4Prefix, subnet6: Ipv6Prefix | null): string {
  const name4 = `${subnet.address.toString()}-${subnet.length}`;
  const name6 = subnet6 === null ? "" : `&${subnet6.address.toString()}-${subnet6.length}`;
  return `${leasePrefix(prefix)}${name4}${name6}`;
}

/**
 * Reads a lease key, or gives null. Only the exact text that {@link leaseKey} writes is a lease: no further
 * path elements, leading zeros, host bits or upper-case hex. Never throws.
 */
export function parseLeaseKey(prefix: string, key: string): LeaseKey | null {
  const start = leasePrefix(prefix);
  const match = key.startsWith(start) ? LEASE_NAME.exec(key.slice(start.length)) : null;
  if (match === null) return null;
  const [, address4 = "", length4 = "", address6, length6 = ""] = match;
  const subnet = Ipv4Prefix.parse(`${address4}/${length4}`);
  const subnet6 = address6 === undefined ? null : Ipv6Prefix.parse(`${address6}/${length6}`);
  if (subnet === null || subnet.length < MIN_LENGTH || subnet.length > MAX_LENGTH4) return null;
  if (
    address6 !== undefined &&
    (subnet6 === null || subnet6.length < MIN_LENGTH || subnet6.length > MAX_LENGTH6)
  )
    return null;
  return leaseKey(prefix, subnet, subnet6) === key ? { subnet, subnet6 } : null;
}

/**
 * Reads a lease value. Member names match without regard to case and the last match wins, both as in Go's
 * encoding/json, so that we and a flannel peer read the same address from the same bytes; unknown members
 * are ignored. (One difference: of three matches, the first and last spelled alike, the second wins here,
 * since JSON.parse keeps a repeated name at its first place. No writer makes such a value.)
 *
 * Numbers inside the backend data are JavaScript numbers: the known ones are ports and VNIs. One past 2^53
 * would lose digits, which nobody sees, because only data that we made ourselves is written back.
 */
export function parseLeaseValue(value: Uint8Array): LeaseValueResult {
  const json = parseJson(value);
  if (!json.ok) return json;
  const members = foldMembers(json.value);
  if (members === null) return refuse("it is not a JSON object");
  return readAttributes(members);
}

/**
 * Writes a lease value: flannel's members in flannel's order without whitespace, then `NodeID`. Without node
 * id and backend it is flannel's udp value to the byte.
 */
export function formatLeaseValue(attributes: LeaseAttributes): string {
  const { underlayIp, underlayIp6, backend, nodeId } = attributes;
  return JSON.stringify({
    PublicIP: underlayIp.toString(),
    PublicIPv6: underlayIp6 === null ? null : underlayIp6.toString(),
    ...(backend.type === "" ? {} : { BackendType: backend.type }),
    ...(backend.data === undefined ? {} : { BackendData: backend.data }),
    ...(backend.v6Data === undefined ? {} : { BackendV6Data: backend.v6Data }),
    ...(nodeId === null ? {} : { NodeID: nodeId }),
  });
}

function refuse(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

function parseJson(
  value: Uint8Array,
): { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly reason: string } {
  if (value.byteLength > MAX_LEASE_VALUE_BYTES) {
    return refuse(`it has ${value.byteLength} bytes, more than ${MAX_LEASE_VALUE_BYTES}`);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
    const parsed = JSON.parse(text) as JsonValue;
    if (isTooDeep(parsed)) return refuse(`it is nested deeper than ${MAX_JSON_DEPTH} levels`);
    return { ok: true, value: parsed };
  } catch {
    return refuse("it is not JSON in UTF-8"); // the engine's message would repeat the untrusted text
  }
}

function readAttributes(members: ReadonlyMap<string, JsonValue>): LeaseValueResult {
  const underlayIp = readAddress(members.get("publicip"), (text) => Ipv4Address.parse(text));
  if (underlayIp === null)
    return refuse(`PublicIP ${showUntrustedJson(members.get("publicip"))} is not an IPv4 address`);
  const publicIp6 = members.get("publicipv6") ?? null;
  const underlayIp6 = readAddress(publicIp6, (text) => Ipv6Address.parse(text));
  if (publicIp6 !== null && underlayIp6 === null)
    return refuse(`PublicIPv6 ${showUntrustedJson(publicIp6)} is not an IPv6 address`);
  const type = readWord(members.get("backendtype"), MAX_BACKEND_TYPE_LENGTH);
  if (type === null)
    return refuse(
      `BackendType ${showUntrustedJson(members.get("backendtype"))} is not a short printable word`,
    );
  const nodeId = readWord(members.get("nodeid"), MAX_NODE_ID_LENGTH);
  if (nodeId === null)
    return refuse(`NodeID ${showUntrustedJson(members.get("nodeid"))} is not a short printable word`);
  const data = members.get("backenddata");
  const v6Data = members.get("backendv6data");
  const backend = {
    type: type.toLowerCase(),
    ...(data === undefined ? {} : { data }),
    ...(v6Data === undefined ? {} : { v6Data }),
  };
  return {
    ok: true,
    attributes: { underlayIp, underlayIp6, backend, nodeId: nodeId === "" ? null : nodeId },
  };
}

function readAddress<T>(member: JsonValue | undefined, parse: (text: string) => T | null): T | null {
  return typeof member === "string" ? parse(member) : null;
}

/** A word of printable ASCII, "" when the member is absent, null or empty; null when it is something else. */
function readWord(member: JsonValue | undefined, maxLength: number): string | null {
  if (member === undefined || member === null || member === "") return "";
  return typeof member === "string" && member.length <= maxLength && PRINTABLE_ASCII.test(member)
    ? member
    : null;
}
