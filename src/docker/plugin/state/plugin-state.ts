/** What the plugin knows and must not forget: a value, replaced by each change, on disk before anybody hears of it. */
import type { Ipv4Address, Ipv4Prefix } from "../../../net/ipv4.ts";
import type { MacAddress } from "../../../net/mac.ts";

/** This host's part of the overlay, as a network was made with it or the subnet file says now. */
export interface HostLease {
  /** The whole overlay network. */
  readonly network: Ipv4Prefix;
  readonly subnet: Ipv4Prefix;
  /** Address of the bridge. */
  readonly gateway: Ipv4Address;
  readonly overlayMtu: number;
}

/**
 * Who takes the containers to the world: `docker`, with docker_gwbridge beside the overlay, which also publishes ports;
 * or `overlay`, by the bridge's address and the host's routes.
 */
export type GatewayMode = "docker" | "overlay";

/** A network that Docker has made with this driver. */
export interface Network {
  readonly id: string;
  /** The newest known one of its subnet. */
  readonly lease: HostLease;
  readonly bridgeName: string;
  readonly gatewayMode: GatewayMode;
  readonly isInternal: boolean;
}

/** A container's place in a network. */
export interface Endpoint {
  readonly id: string;
  readonly networkId: string;
  readonly address: Ipv4Address;
  readonly mac: MacAddress;
}

/** The addresses of one lease, where this plugin gives them. */
export interface Pool {
  readonly subnet: Ipv4Prefix;
  readonly gateway: Ipv4Address;
  /** Addresses that were given and not released, as `Ipv4Address.value`; each with the number of its grant. */
  readonly held: ReadonlyMap<number, number>;
  /** Addresses that were released and not given again, the longest ago first. */
  readonly released: readonly number[];
}

export interface PluginState {
  /** Marks the devices of this state, see {@link newInstanceId}: two plugins on one host leave each other's alone. */
  readonly instanceId: string;
  /** Number of addresses ever given: tells two grants of one address apart. */
  readonly grants: number;
  /** By id. */
  readonly networks: ReadonlyMap<string, Network>;
  /** By id. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** By id, see {@link poolIdOf}. */
  readonly pools: ReadonlyMap<string, Pool>;
}

/** Before the first network. */
export function emptyState(instanceId: string): PluginState {
  return { instanceId, grants: 0, networks: new Map(), endpoints: new Map(), pools: new Map() };
}

/** The pool id of a subnet; the same after each restart, as Docker keeps the first one. */
export function poolIdOf(subnet: Ipv4Prefix): string {
  return `twill/${subnet.toString()}`;
}

/** The network that is on this subnet, or null. */
export function networkOn(state: PluginState, subnet: Ipv4Prefix): Network | null {
  return [...state.networks.values()].find(({ lease }) => lease.subnet.equals(subnet)) ?? null;
}

export function endpointsOf(state: PluginState, networkId: string): Endpoint[] {
  return [...state.endpoints.values()].filter((endpoint) => endpoint.networkId === networkId);
}

/** A copy of the map with one more, or another, entry. */
export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value);
}

/** A copy of the map without this entry. */
export function withoutEntry<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}
