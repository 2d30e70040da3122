/**
 * Endpoints and addresses that Docker no longer knows, because the plugin did not run when they were given back.
 *
 * Docker tells nobody at its start what it has, so what was not given back stays taken, unless the engine itself says that
 * it is gone. That counts only of a network that the engine knows by its id, which no other engine does, and only for what
 * was missing in two looks, minutes apart: between the grant of an address and the engine's own note of it are seconds.
 * An address that was freed too soon even so would still not be on two containers: `CreateEndpoint` refuses that.
 */
import { Ipv4Address } from "../../../net/ipv4.ts";
import { releaseAddress } from "../state/addresses.ts";
import type { Network, PluginState } from "../state/plugin-state.ts";
import { endpointsOf, poolIdOf, withoutEntry } from "../state/plugin-state.ts";

/** What the engine says of one network. */
export interface EngineNetwork {
  readonly endpointIds: ReadonlySet<string>;
  /** Of containers, and those that are set aside (`--aux-address`), as `Ipv4Address.value`. */
  readonly addresses: ReadonlySet<number>;
}

/** An address by one of its grants. */
export interface Grant {
  readonly poolId: string;
  readonly value: number;
  readonly grant: number;
}

/** What is to be freed. */
export interface LostItems {
  readonly endpointIds: readonly string[];
  readonly addresses: readonly Grant[];
}

export const NOTHING_LOST: LostItems = { endpointIds: [], addresses: [] };

/** What we hold of a network that the engine does not know. */
export function findLost(state: PluginState, network: Network, engine: EngineNetwork): LostItems {
  const endpoints = endpointsOf(state, network.id);
  const lost = endpoints.filter(({ id }) => !engine.endpointIds.has(id));
  const kept = new Set(endpoints.filter((one) => !lost.includes(one)).map(({ address }) => address.value));
  const poolId = poolIdOf(network.lease.subnet);
  const held = [...(state.pools.get(poolId)?.held ?? [])];
  return {
    endpointIds: lost.map(({ id }) => id),
    addresses: held
      .filter(([value]) => !engine.addresses.has(value) && !kept.has(value))
      .map(([value, grant]) => ({ poolId, value, grant })),
  };
}

/** What is in both. */
export function inBoth(a: LostItems, b: LostItems): LostItems {
  const grants = new Set(b.addresses.map(({ grant }) => grant));
  return {
    endpointIds: a.endpointIds.filter((id) => b.endpointIds.includes(id)),
    addresses: a.addresses.filter(({ grant }) => grants.has(grant)),
  };
}

export function isEmpty({ endpointIds, addresses }: LostItems): boolean {
  return endpointIds.length + addresses.length === 0;
}

/**
 * The same in parts that have at most so many endpoints. Addresses come last and by themselves: none is given to a container
 * before the endpoint is gone that had it.
 */
export function inParts({ endpointIds, addresses }: LostItems, endpointsEach: number): LostItems[] {
  const parts: LostItems[] = [];
  for (let i = 0; i < endpointIds.length; i += endpointsEach)
    parts.push({ endpointIds: endpointIds.slice(i, i + endpointsEach), addresses: [] });
  return [...parts, ...(addresses.length === 0 ? [] : [{ endpointIds: [], addresses }])];
}

/** The state without them; an address that was given anew since keeps its new grant. */
export function withoutLost(state: PluginState, { endpointIds, addresses }: LostItems): PluginState {
  const without = endpointIds.reduce<PluginState>(
    (next, id) => (next.endpoints.has(id) ? { ...next, endpoints: withoutEntry(next.endpoints, id) } : next),
    state,
  );
  return addresses.reduce((next, { poolId, value, grant }) => {
    const pool = next.pools.get(poolId);
    return pool?.held.get(value) === grant ? releaseAddress(next, pool, new Ipv4Address(value)) : next;
  }, without);
}
