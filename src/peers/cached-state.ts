/**
 * What an agent writes down so that its next start forwards before etcd answers, or when it does not. JSON;
 * addresses and prefixes are text, 64-bit numbers are decimal text.
 */
import { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import { showUntrusted, showUntrustedJson } from "../net/untrusted-text.ts";
import type { BackendData, JsonValue } from "../subnet-lease/lease.ts";
import { findInvalidPeer, MAX_PEERS } from "./peer-set.ts";
import type { Peer, PeerSet } from "./peer.ts";

/** Everything that the next start needs to forward without etcd. */
export interface CachedState {
  /** Prefix of our keys in etcd: under another one lies another cluster. */
  readonly etcdPrefix: string;
  readonly network: Ipv4Prefix;
  /** The network config as it was stored. */
  readonly networkConfig: string;
  readonly ownLease: CachedLease | null;
  /** Where the registry stood, so that the next start notices when it was wiped meanwhile. */
  readonly registry: RegistryMark | null;
  readonly peers: PeerSet;
}

/** The node's own lease when the state was saved. */
export interface CachedLease {
  readonly subnet: Ipv4Prefix;
  /** 0 is a reservation, which never expires. */
  readonly etcdLeaseId: bigint;
  /** By `Clock.wallMs`; null when it never expires. */
  readonly expiresAtWallMs: number | null;
}

/** One state of one registry. */
export interface RegistryMark {
  readonly clusterId: bigint;
  readonly revision: bigint;
}

/** A state that was read, or why there is none; `reason` is fit for a log line. */
export type ParsedState =
  { readonly ok: true; readonly state: CachedState } | { readonly ok: false; readonly reason: string };

/** Of the text's form. A reader of another number starts without a cache, which costs nothing but time. */
const FORMAT_VERSION = 1;
const DECIMAL = /^(?:0|[1-9][0-9]{0,19})$/;
const MAX_INT64 = 2n ** 63n - 1n; // revisions and lease ids
const MAX_UINT64 = 2n ** 64n - 1n; // cluster ids
/** etcd's own limit on a request, which the config and the prefix were part of. */
const MAX_TEXT_LENGTH = 1_572_864;

/** Writes the state as one line of text. */
export function formatCachedState(state: CachedState): string {
  const { ownLease, registry } = state;
  const document = {
    version: FORMAT_VERSION,
    etcdPrefix: state.etcdPrefix,
    network: state.network,
    networkConfig: state.networkConfig,
    ownLease: ownLease && { ...ownLease, etcdLeaseId: ownLease.etcdLeaseId.toString() },
    registry: registry && {
      clusterId: registry.clusterId.toString(),
      revision: registry.revision.toString(),
    },
    peers: state.peers,
  };
  return `${JSON.stringify(document)}\n`;
}

/** Reads what {@link formatCachedState} wrote; anything else is refused whole. Never throws. */
export function parseCachedState(text: string): ParsedState {
  try {
    return { ok: true, state: readState(JSON.parse(text)) };
  } catch (err) {
    if (err instanceof MalformedError) return { ok: false, reason: err.message };
    return { ok: false, reason: `it is not JSON: ${showUntrusted(text)}` };
  }
}

/** Ends the reading of one text; never leaves this file. */
class MalformedError extends Error {}

function readState(json: unknown): CachedState {
  const document = readObject(json, "it");
  if (document.version !== FORMAT_VERSION) {
    throw new MalformedError(`its version is ${showUntrustedJson(document.version)}, not ${FORMAT_VERSION}`);
  }
  const network = readPrefix(document.network, "network");
  return {
    etcdPrefix: readText(document.etcdPrefix, "etcdPrefix"),
    network,
    networkConfig: readText(document.networkConfig, "networkConfig"),
    ownLease: document.ownLease === null ? null : readLease(document.ownLease, network),
    registry: document.registry === null ? null : readMark(document.registry),
    peers: readPeers(document.peers),
  };
}

function readLease(json: unknown, network: Ipv4Prefix): CachedLease {
  const { subnet: subnetText, etcdLeaseId, expiresAtWallMs } = readObject(json, "ownLease");
  const subnet = readPrefix(subnetText, "ownLease.subnet");
  if (!network.containsPrefix(subnet)) {
    throw new MalformedError(`ownLease.subnet ${subnet.toString()} is outside ${network.toString()}`);
  }
  return {
    subnet,
    etcdLeaseId: readInteger(etcdLeaseId, MAX_INT64, "ownLease.etcdLeaseId"),
    expiresAtWallMs: expiresAtWallMs === null ? null : readTime(expiresAtWallMs),
  };
}

function readTime(json: unknown): number {
  if (typeof json === "number" && Number.isSafeInteger(json) && json >= 0) return json;
  throw new MalformedError(`ownLease.expiresAtWallMs ${showUntrustedJson(json)} is not a time`);
}

function readMark(json: unknown): RegistryMark {
  const { clusterId, revision } = readObject(json, "registry");
  return {
    clusterId: readInteger(clusterId, MAX_UINT64, "registry.clusterId"),
    revision: readInteger(revision, MAX_INT64, "registry.revision"),
  };
}

function readPeers(json: unknown): PeerSet {
  if (!Array.isArray(json)) throw new MalformedError(`peers ${showUntrustedJson(json)} is not an array`);
  if (json.length > MAX_PEERS)
    throw new MalformedError(`it has ${json.length} peers, more than ${MAX_PEERS}`);
  const peers = json.map(readPeer);
  const invalid = findInvalidPeer(peers);
  if (invalid === null) return peers;
  throw new MalformedError(`peer ${invalid.subnet.toString()} is out of order or contradicts another`);
}

function readPeer(json: unknown): Peer {
  const { subnet, underlayIp, backend, nodeId } = readObject(json, "a peer");
  return {
    subnet: readPrefix(subnet, "a peer's subnet"),
    underlayIp: readAddress(underlayIp),
    backend: readBackend(backend),
    nodeId: nodeId === null ? null : readText(nodeId, "a peer's nodeId"),
  };
}

function readBackend(json: unknown): BackendData {
  const { type, data, v6Data } = readObject(json, "a peer's backend");
  return {
    type: readText(type, "a peer's backend type"),
    ...(data === undefined ? {} : { data: data as JsonValue }), // it comes from JSON.parse
    ...(v6Data === undefined ? {} : { v6Data: v6Data as JsonValue }),
  };
}

function readAddress(json: unknown): Ipv4Address {
  const address = typeof json === "string" ? Ipv4Address.parse(json) : null;
  if (address === null)
    throw new MalformedError(`a peer's underlayIp ${showUntrustedJson(json)} is not an IPv4 address`);
  return address;
}

function readPrefix(json: unknown, what: string): Ipv4Prefix {
  const prefix = typeof json === "string" ? Ipv4Prefix.parse(json) : null;
  if (prefix === null) throw new MalformedError(`${what} ${showUntrustedJson(json)} is not an IPv4 prefix`);
  return prefix;
}

function readInteger(json: unknown, max: bigint, what: string): bigint {
  const value = typeof json === "string" && DECIMAL.test(json) ? BigInt(json) : null;
  if (value === null || value > max) {
    throw new MalformedError(
      `${what} ${showUntrustedJson(json)} is not decimal text from 0 to ${max.toString()}`,
    );
  }
  return value;
}

function readText(json: unknown, what: string): string {
  if (typeof json === "string" && json.length <= MAX_TEXT_LENGTH) return json;
  throw new MalformedError(`${what} ${showUntrustedJson(json)} is not text`);
}

function readObject(json: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof json === "object" && json !== null && !Array.isArray(json))
    return json as Record<string, unknown>;
  throw new MalformedError(`${what} is not a JSON object: ${showUntrustedJson(json)}`);
}
