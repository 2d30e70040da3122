/** Which peer owns a destination, and which peer a datagram comes from. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { Ipv6Prefix } from "../net/ipv6.ts";
import type { MacAddress } from "../net/mac.ts";
import { Ipv6Range } from "./ipv6-range.ts";

/** No peer: what a lookup without a hit returns. */
export const NO_PEER = -1;

/** One peer: packets for its subnets go to `underlayIp`, and packets from `underlayIp` have their source in them. */
export interface ForwardingEntry {
  readonly subnet: Ipv4Prefix;
  /** Left out: the peer carries no IPv6. */
  readonly subnet6?: Ipv6Prefix | null;
  readonly underlayIp: Ipv4Address;
  /** MAC address of the peer's VTEP: needed where the engine's framing is VXLAN. */
  readonly vtepMac?: MacAddress | null;
}

/** What a {@link ForwardingTable} is made of. */
export interface ForwardingTableContents {
  /** When given, no entry may overlap it. */
  readonly ownSubnet?: Ipv4Prefix;
  /** The same for IPv6. */
  readonly ownSubnet6?: Ipv6Prefix | null;
  /** In any order. */
  readonly entries: readonly ForwardingEntry[];
}

/**
 * The forwarding table of a packet engine; it never changes, a new one replaces it. A peer is known by its index
 * in `entries`. Lookups allocate nothing.
 */
export class ForwardingTable {
  /** In the order of the IPv4 subnets. */
  readonly entries: readonly ForwardingEntry[];
  /** First and last address of each entry's subnet, ascending: a binary search finds a destination's owner. */
  readonly #first: Uint32Array;
  readonly #last: Uint32Array;
  /** The IPv6 subnet of each entry, or null. */
  readonly #ranges6: readonly (Ipv6Range | null)[];
  /** The same without the nulls, ascending. */
  readonly #sorted6: readonly OwnedRange6[];
  /** Text, because node:dgram takes and reports addresses as text. */
  readonly #underlayText: readonly string[];
  readonly #peerByUnderlayText: ReadonlyMap<string, number>;

  /** @throws {RangeError} when two subnets of a family overlap, or two entries share an underlay address */
  constructor(contents: ForwardingTableContents) {
    this.entries = [...contents.entries].sort((a, b) => a.subnet.address.value - b.subnet.address.value);
    this.#first = Uint32Array.from(this.entries, (entry) => entry.subnet.address.value);
    this.#last = Uint32Array.from(this.entries, (entry) => entry.subnet.last.value);
    this.#underlayText = this.entries.map((entry) => entry.underlayIp.toString());
    this.#peerByUnderlayText = new Map(this.#underlayText.map((text, peer) => [text, peer]));
    const subnets6 = sortedSubnets6(this.entries);
    this.#ranges6 = this.entries.map(({ subnet6 = null }) =>
      subnet6 === null ? null : new Ipv6Range(subnet6),
    );
    this.#sorted6 = subnets6.map(({ subnet6, peer }) => ({ range: new Ipv6Range(subnet6), peer }));
    refuseOverlaps(
      this.entries.map(({ subnet }) => subnet),
      contents.ownSubnet,
    );
    refuseOverlaps(
      subnets6.map(({ subnet6 }) => subnet6),
      contents.ownSubnet6,
    );
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

  /** The peer whose IPv6 subnet holds the address at this offset of a packet, or {@link NO_PEER}. */
  peerOfDestination6(packet: Buffer, at: number): number {
    let low = 0;
    let high = this.#sorted6.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted6[middle]?.range.startsAfter(packet, at) === true) high = middle;
      else low = middle + 1;
    }
    const candidate = this.#sorted6[low - 1];
    return candidate?.range.holds(packet, at) === true ? candidate.peer : NO_PEER;
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

  /** Whether the IPv6 address at this offset of a packet is in the peer's own subnet; false for one without IPv6. */
  isInSubnet6Of(peer: number, packet: Buffer, at: number): boolean {
    return this.#ranges6[peer]?.holds(packet, at) === true;
  }

  /** Whether this address (host order) names one host in the peer's own subnet: not its broadcast address. */
  isHostOf(peer: number, address: number): boolean {
    return this.isInSubnetOf(peer, address) && address !== this.#last[peer];
  }

  /** Where to send what is for this peer, in dotted decimal. @throws {RangeError} when there is no such peer */
  underlayOf(peer: number): string {
    return this.#underlayText[peer] ?? this.#refuse(peer, "an underlay address");
  }

  /** MAC address of the peer's VTEP. @throws {RangeError} when there is no such peer, or it has none */
  vtepMacOf(peer: number): MacAddress {
    return this.entries[peer]?.vtepMac ?? this.#refuse(peer, "a VTEP");
  }

  #refuse(peer: number, what: string): never {
    throw new RangeError(
      `Cannot address peer ${peer}: none of the ${this.entries.length} entries of the forwarding table has ${what} for it`,
    );
  }
}

interface OwnedRange6 {
  readonly range: Ipv6Range;
  readonly peer: number;
}

/** The table of an engine that has no peers yet. */
export const EMPTY_FORWARDING_TABLE = new ForwardingTable({ entries: [] });

/** Refuses a table that an engine with VXLAN framing cannot use. @throws {RangeError} when an entry has no `vtepMac` */
export function refuseMissingMacs(table: ForwardingTable): void {
  const entry = table.entries.find(({ vtepMac = null }) => vtepMac === null);
  if (entry === undefined) return;
  throw new RangeError(
    `Cannot use the forwarding table for VXLAN: ${entry.subnet.toString()} has no vtepMac`,
  );
}

/** The IPv6 subnets of those peers that have one, ascending. */
function sortedSubnets6(
  entries: readonly ForwardingEntry[],
): { readonly subnet6: Ipv6Prefix; readonly peer: number }[] {
  return entries
    .flatMap(({ subnet6 = null }, peer) => (subnet6 === null ? [] : [{ subnet6, peer }]))
    .sort((a, b) => (a.subnet6.address.value < b.subnet6.address.value ? -1 : 1));
}

interface Prefix<Same> {
  overlaps(other: Same): boolean;
  toString(): string;
}

function refuseOverlaps<P extends Prefix<P>>(sorted: readonly P[], ownSubnet: P | null | undefined): void {
  let previous: P | undefined;
  for (const subnet of sorted) {
    // Prefixes nest or are disjoint, so in the order of their addresses an overlap shows between neighbours.
    const other = previous?.overlaps(subnet) === true ? previous : ownSubnet;
    if (other?.overlaps(subnet) === true) {
      throw new RangeError(
        `Cannot make a forwarding table: ${other.toString()} and ${subnet.toString()} overlap`,
      );
    }
    previous = subnet;
  }
}
