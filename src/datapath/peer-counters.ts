/** The counters of a peer: names and order. And by what a peer is known to be the same one. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";

/** Place of each counter among those of its peer; the addon of the native engine must have the same names. */
export const PEER_COUNTER = {
  encapPackets: 0,
  encapBytes: 1,
  decapPackets: 2,
  decapBytes: 3,
  /** Datagrams from this peer that the checks refused. */
  decapDropped: 4,
} as const;

export type PeerCounterName = keyof typeof PEER_COUNTER;

// Object.keys forgets the names it was given; the object above is the only thing it can have read them from.
const NAMES = Object.keys(PEER_COUNTER) as PeerCounterName[];

/** How many values one peer has. */
export const PEER_COUNTER_COUNT = NAMES.length;

/** The counters of one peer by name, each from `valueOf`. */
export function peerCountersBy(
  valueOf: (name: PeerCounterName) => number,
): Readonly<Record<PeerCounterName, number>> {
  return Object.fromEntries(NAMES.map((name) => [name, valueOf(name)])) as Record<PeerCounterName, number>;
}

/** What makes a peer the same one from table to table. */
export interface PeerIdentity {
  readonly subnet: Ipv4Prefix;
  readonly underlayIp: Ipv4Address;
}

/** The identity of a peer as a key. */
export function peerKeyOf({ subnet, underlayIp }: PeerIdentity): string {
  return `${subnet.toString()} ${underlayIp.toString()}`;
}
