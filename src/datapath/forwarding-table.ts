/** Which peer owns a destination, and which peer a datagram comes from. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";

/** No peer: what a lookup without a hit returns. */
export const NO_PEER = -1;

/** One peer: packets for `subnet` go to `underlayIp`, and packets from `underlayIp` have their source in `subnet`. */
export interface ForwardingEntry {
  readonly subnet: Ipv4Prefix;
  readonly underlayIp: Ipv4Address;
}

/** What a {@link ForwardingTable} is made of. */
export interface ForwardingTableContents {
  /** When given, no entry may overlap it. */
  readonly ownSubnet?: Ipv4Prefix;
  /** In any order. */
  readonly entries: readonly ForwardingEntry[];
}

/**
 * The forwarding table of a packet engine; it never changes, a new one replaces it. A peer is known by its index
 * in `entries`. Lookups allocate nothing.
 */
export class ForwardingTable {
  /** In the order of the subnets. */
  readonly entries: readonly ForwardingEntry[];
  /** First and last address of each entry's subnet, ascending: a binary search finds a destination's owner. */
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  /** Text, because node:dgram takes and reports addresses as text. */
  readonly #underlayText: readonly string[];
  readonly #peerByUnderlayText: ReadonlyMap<string, number>;

  /** @throws {RangeError} when two subnets overlap, or two entries share an underlay address */
  constructor(contents: ForwardingTableContents) {
    this.entries = [...contents.entries].sort((a, b) => a.subnet.address.value - b.subnet.address.value);
    this.#first = Uint32Array.from(this.entries, (entry) => entry.subnet.address.value);
    this.#last = Uint32Array.from(this.entries, (entry) => entry.subnet.last.value);
    this.#underlayText = this.entries.map((entry) => entry.underlayIp.toString());
    this.#peerByUnderlayText = new Map(this.#underlayText.map((text, peer) => [text, peer]));
    refuseOverlaps(this.entries, contents.ownSubnet);
    if (this.#peerByUnderlayText.size !== this.entries.length) {
      throw new RangeError("Cannot make a forwarding table: two entries share an underlay address");
    }
  }

  /** The peer whose subnet holds this address (host order), or {@link NO_PEER}. */
  peerOfDestination(address: number): number {
    let low = 0;
    let high = this.#first.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#first[middle] ?? 0) <= address) low = middle + 1;
      else high = middle;
    }
    const candidate = low - 1;
    return candidate >= 0 && address <= (this.#last[candidate] ?? 0) ? candidate : NO_PEER;
  }

  /** The peer with this underlay address in dotted decimal, or {@link NO_PEER}. */
  peerOfUnderlay(address: string): number {
    return this.#peerByUnderlayText.get(address) ?? NO_PEER;
  }

  /** Whether this address (host order) is in the peer's own subnet. */
  isInSubnetOf(peer: number, address: number): boolean {
    // A peer that is not in the table has an empty range, which holds nothing.
    return address >= (this.#first[peer] ?? Infinity) && address <= (this.#last[peer] ?? -1);
  }

  /** Whether this address (host order) names one host in the peer's own subnet: not its broadcast address. */
  isHostOf(peer: number, address: number): boolean {
    return this.isInSubnetOf(peer, address) && address !== this.#last[peer];
  }

  /** Where to send what is for this peer, in dotted decimal. @throws {RangeError} when there is no such peer */
  underlayOf(peer: number): string {
    const text = this.#underlayText[peer];
    if (text === undefined) {
      throw new RangeError(
        `Cannot address peer ${peer}: the forwarding table has ${this.entries.length} entries`,
      );
    }
    return text;
  }
}

/** The table of an engine that has no peers yet. */
export const EMPTY_FORWARDING_TABLE = new ForwardingTable({ entries: [] });

function refuseOverlaps(sorted: readonly ForwardingEntry[], ownSubnet: Ipv4Prefix | undefined): void {
  let previous: ForwardingEntry | undefined;
  for (const entry of sorted) {
    // Prefixes nest or are disjoint, so in the order of their addresses an overlap shows between neighbours.
    const other = previous?.subnet.overlaps(entry.subnet) === true ? previous.subnet : ownSubnet;
    if (other?.overlaps(entry.subnet) === true) {
      const subnets = `${other.toString()} and ${entry.subnet.toString()}`;
      throw new RangeError(`Cannot make a forwarding table: ${subnets} overlap`);
    }
    previous = entry;
  }
}
