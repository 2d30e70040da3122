/** What went to and came from each peer: the memory of the counters. */
import type { ForwardingEntry, ForwardingTable } from "./forwarding-table.ts";
import type { PeerCounters } from "./packet-engine.ts";
import { PEER_COUNTER, PEER_COUNTER_COUNT, peerCountersBy, peerKeyOf } from "./peer-counters.ts";

/** The counters of one peer. Doubles: whole numbers stay exact to 2^53, and adding allocates nothing. */
export type PeerCounterBlock = Float64Array;

/** A block with every counter at zero. */
export function createPeerCounterBlock(): PeerCounterBlock {
  return new Float64Array(PEER_COUNTER_COUNT);
}

/** Counts one packet of `bytes` inner bytes that was sent to the peer. */
export function countEncap(block: PeerCounterBlock, bytes: number): void {
  add(block, PEER_COUNTER.encapPackets, 1);
  add(block, PEER_COUNTER.encapBytes, bytes);
}

/** Counts one packet of `bytes` inner bytes that came from the peer and was delivered. */
export function countDecap(block: PeerCounterBlock, bytes: number): void {
  add(block, PEER_COUNTER.decapPackets, 1);
  add(block, PEER_COUNTER.decapBytes, bytes);
}

/** Counts a datagram of the peer that the checks refused. */
export function countDecapDropped(block: PeerCounterBlock): void {
  add(block, PEER_COUNTER.decapDropped, 1);
}

/**
 * The counters of every peer of one forwarding table. They follow a peer from table to table as long as its subnet
 * and underlay address stay; one that was in no table in between starts at zero.
 */
export class PeerCounterBlocks {
  readonly #entries: readonly ForwardingEntry[];
  readonly #blocks: readonly PeerCounterBlock[];

  /** @param previous the counters of the table that this one replaces, or null */
  constructor(table: ForwardingTable, previous: PeerCounterBlocks | null) {
    const known = previous === null ? new Map<string, PeerCounterBlock>() : previous.#byKey();
    this.#entries = table.entries;
    this.#blocks = table.entries.map((entry) => known.get(peerKeyOf(entry)) ?? createPeerCounterBlock());
  }

  /** The block of a peer, by its index in the table. @throws {RangeError} when there is no such peer */
  blockOf(peer: number): PeerCounterBlock {
    const block = this.#blocks[peer];
    if (block === undefined) {
      throw new RangeError(
        `Cannot count for peer ${peer}: the forwarding table has ${this.#blocks.length} entries`,
      );
    }
    return block;
  }

  /** A copy of all counters, in the order of the table's entries. */
  read(): PeerCounters[] {
    return this.#entries.map(({ subnet, underlayIp }, peer) => {
      const block = this.blockOf(peer);
      return { subnet, underlayIp, ...peerCountersBy((name) => block[PEER_COUNTER[name]] ?? 0) };
    });
  }

  #byKey(): Map<string, PeerCounterBlock> {
    return new Map(this.#entries.map((entry, peer) => [peerKeyOf(entry), this.blockOf(peer)]));
  }
}

function add(block: PeerCounterBlock, place: number, amount: number): void {
  block[place] = (block[place] ?? 0) + amount;
}
