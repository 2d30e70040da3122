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
  /** Shorter than an IP header. */
  encapDropShort: 1,
  /** IPv6 where this node carries none: the kernel's own neighbour and router noise on any device that is up. */
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
  /** What the kernel left for us to cut or to complete does not fit the packet (virtio-net header of the TUN). */
  encapDropOffload: 14,
  /** The send queue is full (ours, or the kernel said EAGAIN or ENOBUFS). */
  encapDropSendBusy: 15,
  /** The kernel refused the datagram's size (EMSGSIZE). */
  encapDropSendTooLong: 16,
  /** Any other error of the send. */
  encapDropSendFailed: 17,

  /** Written to the TUN. */
  decapDelivered: 18,
  /** Outer source is no peer's underlay address. Those dropped in the kernel count once for a joined batch. */
  decapDropStranger: 19,
  /**
   * The socket's queue was full: the kernel dropped datagrams before we could read them. What it had joined to a
   * batch of up to 64 counts once.
   */
  decapDropQueueFull: 20,
  decapDropShort: 21,
  /** VXLAN: the flag that says that there is a VNI is clear. */
  decapDropFrameFlags: 22,
  /** VXLAN: the VNI of another network. */
  decapDropFrameVni: 23,
  /** VXLAN: a frame to another MAC address than ours, or to several. */
  decapDropFrameMac: 24,
  /** VXLAN: neither IPv4 nor IPv6, but ARP or VLAN for example. */
  decapDropFrameType: 25,
  /** IP version not 4, nor 6 where this node carries IPv6; with VXLAN, not what the ethertype says. */
  decapDropVersion: 26,
  decapDropHeaderLength: 27,
  decapDropTotalLength: 28,
  decapDropChecksum: 29,
  decapDropMartian: 30,
  /** Source in our own subnet, or, under `strict`, outside the subnet of the peer that sent it. */
  decapDropForeignSource: 31,
  /** Destination outside our own subnet. */
  decapDropForeignDestination: 32,
  /** Time to live used up; answered with time exceeded through the peer. */
  decapDropTtl: 33,
  /** The TUN takes no more now (EAGAIN). */
  decapDropWriteBusy: 34,
  /** The TUN is down (EIO). */
  decapDropDeviceDown: 35,
  /** The TUN refused the packet (EINVAL). */
  decapDropWriteRefused: 36,
  /** Any other error of the write. */
  decapDropWriteFailed: 37,

  /** Inner bytes of `encapSent`. */
  encapBytes: 38,
  /** Inner bytes of `decapDelivered`. */
  decapBytes: 39,
  /** Of the packets that passed the checks, those with a source outside our own subnet, under `count`. */
  encapForeignSource: 40,
  /** Of the packets that passed the checks, those with a source outside the sender's subnet, under `count`. */
  decapForeignSource: 41,
  icmpSent: 42,
  /** ICMP errors held back by the rate limit. */
  icmpRateLimited: 43,
  /** ICMP errors that neither the TUN nor the socket took. */
  icmpFailed: 44,
  /** Reads of the TUN that failed. */
  tunReadErrors: 45,
  /** Errors that the socket reported outside of a send. */
  socketErrors: 46,
  /** Of the packets sent, those that were cut from larger ones. */
  encapCut: 47,
  /** Of the packets delivered, those that went to the TUN within larger ones. */
  decapMerged: 48,
  /** Batches that the kernel refused and took packet by packet. */
  offloadRefused: 49,
  /** Offloads given up while running. */
  offloadDowngrades: 50,
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
