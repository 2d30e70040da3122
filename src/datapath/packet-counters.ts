/**
 * The counters of a packet engine: names, order, and the block of memory they live in.
 *
 * Every packet read from the TUN ends in exactly one `encap*` outcome, every datagram read from the socket in
 * exactly one `decap*` outcome. The counters after the outcomes are facts on the side: bytes, errors answered.
 */

/** Place of each counter in a {@link CounterBlock}. A check returns the place of its outcome, so counting is one add. */
export const COUNTER = {
  /** Handed to the kernel for a peer. */
  encapSent: 0,
  /** Shorter than an IPv4 header. */
  encapDropShort: 1,
  /** IPv6: the kernel's own neighbour and router noise on any device that is up. */
  encapDropIpv6: 2,
  /** IP version neither 4 nor 6. */
  encapDropVersion: 3,
  /** Header length below 20 bytes, or more than was read. */
  encapDropHeaderLength: 4,
  /** Total length below the header length, or more than was read. */
  encapDropTotalLength: 5,
  encapDropChecksum: 6,
  /** Source or destination that names no host: see `isMartian`. */
  encapDropMartian: 7,
  /** Source outside our own subnet, under `strict` (BCP 38). */
  encapDropForeignSource: 8,
  /** Destination in our own subnet: the kernel had no route to it, and sending it on would make a loop. */
  encapDropOwnDestination: 9,
  /** Time to live used up; answered with time exceeded. */
  encapDropTtl: 10,
  /** No peer owns the destination; answered with net unreachable. */
  encapDropNoPeer: 11,
  /** Longer than the overlay MTU, and must not be fragmented; answered with fragmentation needed. */
  encapDropDontFragment: 12,
  /** Longer than one UDP datagram can carry. */
  encapDropTooLong: 13,
  /** The send queue is full (ours, or the kernel said EAGAIN or ENOBUFS). */
  encapDropSendBusy: 14,
  /** The kernel refused the datagram's size (EMSGSIZE). */
  encapDropSendTooLong: 15,
  /** Any other error of the send. */
  encapDropSendFailed: 16,

  /** Written to the TUN. */
  decapDelivered: 17,
  /** Outer source is no peer's underlay address. */
  decapDropStranger: 18,
  decapDropShort: 19,
  /** IP version not 4. */
  decapDropVersion: 20,
  decapDropHeaderLength: 21,
  decapDropTotalLength: 22,
  decapDropChecksum: 23,
  decapDropMartian: 24,
  /** Source in our own subnet, or, under `strict`, outside the subnet of the peer that sent it. */
  decapDropForeignSource: 25,
  /** Destination outside our own subnet. */
  decapDropForeignDestination: 26,
  /** Time to live used up; answered with time exceeded through the peer. */
  decapDropTtl: 27,
  /** The TUN takes no more now (EAGAIN). */
  decapDropWriteBusy: 28,
  /** The TUN is down (EIO). */
  decapDropDeviceDown: 29,
  /** The TUN refused the packet (EINVAL). */
  decapDropWriteRefused: 30,
  /** Any other error of the write. */
  decapDropWriteFailed: 31,

  /** Inner bytes of `encapSent`. */
  encapBytes: 32,
  /** Inner bytes of `decapDelivered`. */
  decapBytes: 33,
  /** Of the packets that passed the checks, those with a source outside our own subnet, under `count`. */
  encapForeignSource: 34,
  /** Of the packets that passed the checks, those with a source outside the sender's subnet, under `count`. */
  decapForeignSource: 35,
  icmpSent: 36,
  /** ICMP errors held back by the rate limit. */
  icmpRateLimited: 37,
  /** ICMP errors that neither the TUN nor the socket took. */
  icmpFailed: 38,
  /** Reads of the TUN that failed. */
  tunReadErrors: 39,
  /** Errors that the socket reported outside of a send. */
  socketErrors: 40,
} as const;

export type CounterName = keyof typeof COUNTER;

/** Place of one counter in a {@link CounterBlock}. */
export type CounterIndex = (typeof COUNTER)[CounterName];

/** Packets and drops since an engine was opened. Exact up to 2^53. */
export type PacketCounters = Readonly<Record<CounterName, number>>;

/** The memory of the counters. Doubles: whole numbers stay exact to 2^53, and adding allocates nothing. */
export type CounterBlock = Float64Array;

// Object.keys forgets the names it was given; the object above is the only thing it can have read them from.
const COUNTER_NAMES = Object.keys(COUNTER) as CounterName[];

/** A block with every counter at zero. */
export function createCounterBlock(): CounterBlock {
  return new Float64Array(COUNTER_NAMES.length);
}

/** A copy of the block, by name. */
export function readCounterBlock(block: CounterBlock): PacketCounters {
  const entries = COUNTER_NAMES.map((name) => [name, block[COUNTER[name]] ?? 0] as const);
  return Object.fromEntries(entries) as Record<CounterName, number>;
}

/** Adds `amount` to one counter. */
export function addTo(block: CounterBlock, index: CounterIndex, amount: number): void {
  block[index] = (block[index] ?? 0) + amount;
}
