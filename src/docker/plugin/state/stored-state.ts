/**
 * The plugin's state as JSON. Read strictly: a state of which a part cannot be read is none, for what is not known to be
 * given would be given again.
 */
import { Ipv4Address, Ipv4Prefix } from "../../../net/ipv4.ts";
import { MacAddress } from "../../../net/mac.ts";
import { showUntrustedJson } from "../../../net/untrusted-text.ts";
import type { Endpoint, GatewayMode, HostLease, Network, PluginState, Pool } from "./plugin-state.ts";
import { poolIdOf } from "./plugin-state.ts";

/** Another one is of another twill, and not read. */
const FORMAT = 1;
/** Larger than any id that we accept. */
const MAX_ID_LENGTH = 64;

export function encodeState(state: PluginState): string {
  const stored = {
    format: FORMAT,
    instanceId: state.instanceId,
    grants: state.grants,
    networks: [...state.networks.values()],
    endpoints: [...state.endpoints.values()],
    pools: [...state.pools.values()].map(({ held, released, ...pool }) => ({
      ...pool,
      held: [...held].map(([value, grant]) => ({ address: new Ipv4Address(value), grant })),
      released: released.map((value) => new Ipv4Address(value)),
    })),
  };
  return `${JSON.stringify(stored, null, 1)}\n`;
}

/** @throws {TypeError} that names the first part that cannot be read */
export function decodeState(text: string): PluginState {
  const stored = record("the file", parseJson(text));
  if (stored.format !== FORMAT) throw unreadable("format", stored.format);
  const networks = list("networks", stored.networks).map(decodeNetwork);
  const endpoints = list("endpoints", stored.endpoints).map(decodeEndpoint);
  const pools = list("pools", stored.pools).map(decodePool);
  const state: PluginState = {
    instanceId: name("instanceId", stored.instanceId),
    grants: count("grants", stored.grants),
    networks: byKey("networks", networks, ({ id }) => id),
    endpoints: byKey("endpoints", endpoints, ({ id }) => id),
    pools: byKey("pools", pools, ({ subnet }) => poolIdOf(subnet)),
  };
  for (const { id, networkId } of endpoints)
    if (!state.networks.has(networkId)) throw unreadable(`the network of endpoint ${id}`, networkId);
  return state;
}

function decodeNetwork(value: unknown): Network {
  const { id, lease, bridgeName, gatewayMode, isInternal } = record("a network", value);
  return {
    id: name("a network's id", id),
    lease: decodeLease(lease),
    bridgeName: name("bridgeName", bridgeName),
    gatewayMode: mode(gatewayMode),
    isInternal: flag("isInternal", isInternal),
  };
}

function decodeLease(value: unknown): HostLease {
  const { network, subnet, gateway, overlayMtu } = record("a lease", value);
  return {
    network: prefix("network", network),
    subnet: prefix("subnet", subnet),
    gateway: address("gateway", gateway),
    overlayMtu: count("overlayMtu", overlayMtu),
  };
}

function decodeEndpoint(value: unknown): Endpoint {
  const endpoint = record("an endpoint", value);
  return {
    id: name("an endpoint's id", endpoint.id),
    networkId: name("networkId", endpoint.networkId),
    address: address("an endpoint's address", endpoint.address),
    mac: MacAddress.parse(textOf(endpoint.mac)) ?? fail("mac", endpoint.mac),
  };
}

function decodePool(value: unknown): Pool {
  const { subnet, gateway, held, released } = record("a pool", value);
  const grants = list("held", held).map((one): [number, number] => {
    const { address: given, grant } = record("a held address", one);
    return [address("a held address", given).value, count("grant", grant)];
  });
  return {
    subnet: prefix("subnet", subnet),
    gateway: address("gateway", gateway),
    held: byKey(
      "held",
      grants,
      ([key]) => key,
      ([, grant]) => grant,
    ),
    released: list("released", released).map((one) => address("a released address", one).value),
  };
}

type JsonRecord = Readonly<Record<string, unknown>>;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new TypeError("it is not JSON");
  }
}

function record(what: string, value: unknown): JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as JsonRecord)
    : fail(what, value);
}

function list(what: string, value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : fail(what, value);
}

function name(what: string, value: unknown): string {
  const isName = typeof value === "string" && value.length <= MAX_ID_LENGTH && /^[\w.-]+$/.test(value);
  return isName ? value : fail(what, value);
}

function flag(what: string, value: unknown): boolean {
  return typeof value === "boolean" ? value : fail(what, value);
}

function count(what: string, value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : fail(what, value);
}

function mode(value: unknown): GatewayMode {
  return value === "docker" || value === "overlay" ? value : fail("gatewayMode", value);
}

/** Empty, which nothing reads, when it is none. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function address(what: string, value: unknown): Ipv4Address {
  return Ipv4Address.parse(textOf(value)) ?? fail(what, value);
}

function prefix(what: string, value: unknown): Ipv4Prefix {
  return Ipv4Prefix.parse(textOf(value)) ?? fail(what, value);
}

/** @throws {TypeError} when two have one key */
function byKey<T, K extends string | number, V = T>(
  what: string,
  values: readonly T[],
  keyOf: (value: T) => K,
  valueOf: (value: T) => V = (value) => value as unknown as V,
): ReadonlyMap<K, V> {
  const map = new Map(values.map((value) => [keyOf(value), valueOf(value)]));
  if (map.size !== values.length) throw new TypeError(`two of ${what} are the same`);
  return map;
}

function fail(what: string, value: unknown): never {
  throw unreadable(what, value);
}

function unreadable(what: string, value: unknown): TypeError {
  return new TypeError(`${what} is ${showUntrustedJson(value)}`);
}
