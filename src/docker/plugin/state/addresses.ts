/** Which address of a pool is given next: one that never was, else the one whose release is the longest ago. */
import { Ipv4Address } from "../../../net/ipv4.ts";
import type { Pool, PluginState } from "./plugin-state.ts";
import { poolIdOf, withEntry, withoutEntry } from "./plugin-state.ts";

/** Number of addresses that containers can have: all but the subnet's own, its broadcast address and the gateway. */
export function usableCount({ subnet }: Pool): number {
  return Math.max(0, subnet.size - 3);
}

/** Whether a container can have this address at all. */
export function isUsable({ subnet, gateway }: Pool, address: Ipv4Address): boolean {
  const isEdge = address.equals(subnet.address) || address.equals(subnet.last);
  return subnet.contains(address) && !isEdge && !address.equals(gateway);
}

/** Given and not released, or a container has it, by whatever way it came to it. */
export function isTaken(state: PluginState, pool: Pool, address: Ipv4Address): boolean {
  return (
    pool.held.has(address.value) || [...state.endpoints.values()].some((one) => one.address.equals(address))
  );
}

/** The address to give next; null: all are taken. */
export function chooseAddress(state: PluginState, pool: Pool): Ipv4Address | null {
  const used = new Set([...pool.held.keys(), ...pool.released]);
  for (const endpoint of state.endpoints.values()) used.add(endpoint.address.value);
  for (let value = pool.subnet.address.value + 1; value < pool.subnet.last.value; value++) {
    if (!used.has(value) && value !== pool.gateway.value) return new Ipv4Address(value);
  }
  const free = pool.released.map((value) => new Ipv4Address(value));
  return free.find((address) => !isTaken(state, pool, address)) ?? null;
}

/** The state in which this address is given. */
export function giveAddress(state: PluginState, pool: Pool, { value }: Ipv4Address): PluginState {
  const grants = state.grants + 1;
  const held = withEntry(pool.held, value, grants);
  const released = pool.released.filter((one) => one !== value);
  return { ...withPool(state, { ...pool, held, released }), grants };
}

/** The state in which this address is free again; one that was not given changes nothing. */
export function releaseAddress(state: PluginState, pool: Pool, { value }: Ipv4Address): PluginState {
  if (!pool.held.has(value)) return state;
  const released = [...pool.released, value];
  return withPool(state, { ...pool, held: withoutEntry(pool.held, value), released });
}

/** The state in which all addresses of the pool are free; the order of their releases outlasts the network. */
export function releaseAll(state: PluginState, pool: Pool): PluginState {
  if (pool.held.size === 0) return state;
  return withPool(state, { ...pool, held: new Map(), released: [...pool.released, ...pool.held.keys()] });
}

function withPool(state: PluginState, pool: Pool): PluginState {
  return { ...state, pools: withEntry(state.pools, poolIdOf(pool.subnet), pool) };
}
