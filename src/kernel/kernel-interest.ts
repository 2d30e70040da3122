/** Which changes of the kernel's network state matter, as the addon reads it, and what it answers. */
import { NETLINK_BITS } from "../addon/addon.ts";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import { OWN_ROUTE_PROTOCOL } from "./routes.ts";

/** What the agent depends on. */
export interface KernelInterest {
  /** Devices by name, at most {@link MAX_NAMES}: heard of when they are made again, under another index. */
  readonly names: readonly string[];
  /** Devices by index, at most {@link MAX_INDEXES}: themselves, their addresses, and routes that leave by them. */
  readonly indexes: readonly number[];
  /**
   * The overlay device, or null: as one of `indexes`, and its neighbour and FDB entries too. Those of other devices
   * never count: ordinary ARP on the underlay must wake nobody.
   */
  readonly deviceIndex: number | null;
  /** The overlay: a route of somebody else that overlaps it counts. Null: there is none yet. */
  readonly network: Ipv4Prefix | null;
}

/** What has changed since the call before. */
export interface KernelChanges {
  /** A device of interest: made, deleted, set up or down, given another MTU, MAC, name or master. */
  readonly link: boolean;
  /** An IPv4 address of a device of interest. */
  readonly address: boolean;
  /**
   * A route of the main table: one of ours went, or one of somebody else came or went that overlaps the network, leaves
   * by a device of interest or is a default route. The kernel is silent about routes that go with a device or an
   * address: `link` and `address` stand for those.
   */
  readonly route: boolean;
  /** A neighbour or FDB entry of the overlay device went, or one that lasts came. */
  readonly neighbour: boolean;
  /** A rule set of nftables, anybody's, iptables-nft's too; iptables-legacy tells nobody. */
  readonly firewall: boolean;
  /** Notifications were lost: anything may have changed. */
  readonly overflow: boolean;
}

export const MAX_INDEXES = 8;
export const MAX_NAMES = 4;
/** With its NUL (`IFNAMSIZ`). */
const NAME_BYTES = 16;

/** Where the parts of `struct netlink_interest` (native/os/netlink_parse.h) begin, in words of 4 bytes. */
const WORD = { indexes: 0, deviceIndex: 8, ownProtocol: 9, network: 10, mask: 11, names: 12, end: 28 };

/** Of no device and no network. */
export const NO_INTEREST: KernelInterest = { names: [], indexes: [], deviceIndex: null, network: null };

/**
 * The words of `struct netlink_interest`.
 * @throws {RangeError} when there are too many names or indexes, or a name has no 1 to 15 bytes
 */
export function encodeInterest({ names, indexes, deviceIndex, network }: KernelInterest): Int32Array {
  if (indexes.length > MAX_INDEXES || names.length > MAX_NAMES) {
    throw new RangeError(
      `Cannot watch ${indexes.length} indexes and ${names.length} names: at most ${MAX_INDEXES} and ${MAX_NAMES}`,
    );
  }
  const words = new Int32Array(WORD.end);
  words.set(indexes, WORD.indexes);
  words[WORD.deviceIndex] = deviceIndex ?? 0;
  words[WORD.ownProtocol] = OWN_ROUTE_PROTOCOL;
  if (network !== null) {
    words[WORD.network] = network.address.value;
    words[WORD.mask] = -network.size; // 2^32 less the size, in two's complement
  }
  const bytes = Buffer.from(words.buffer, WORD.names * Int32Array.BYTES_PER_ELEMENT);
  for (const [i, name] of names.entries()) writeName(bytes.subarray(i * NAME_BYTES), name);
  return words;
}

function writeName(out: Buffer, name: string): void {
  const length = Buffer.byteLength(name);
  if (length === 0 || length >= NAME_BYTES || name.includes("\0")) {
    throw new RangeError(`Cannot watch a device of ${length} bytes of name: it has 1 to ${NAME_BYTES - 1}`);
  }
  out.write(name);
}

/** The meaning of the addon's answer, or null when nothing of interest has changed. */
export function decodeChanges(bits: number): KernelChanges | null {
  if (bits === 0) return null;
  const has = (bit: number): boolean => (bits & bit) !== 0;
  return {
    link: has(NETLINK_BITS.link),
    address: has(NETLINK_BITS.address),
    route: has(NETLINK_BITS.route),
    neighbour: has(NETLINK_BITS.neighbour),
    firewall: has(NETLINK_BITS.firewall),
    overflow: has(NETLINK_BITS.overflow),
  };
}
