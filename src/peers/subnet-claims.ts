import { ipv4SizeOf } from "../net/ipv4.ts";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import { prefixKey, subnetKey } from "./peer-set.ts";

/**
 * Subnets that are taken, none of which overlap. Two prefixes overlap only when one holds the other, so it
 * is enough to look for each possible holder: a claim costs one look-up for each length that occurs.
 */
export class SubnetClaims {
  /** Lengths that may come, shortest first. */
  readonly #lengths: readonly number[];
  readonly #claimed = new Set<number>();
  /** Prefixes, of the lengths that may come, that hold a claimed one. */
  readonly #holders = new Set<number>();

  /** @param lengths - every prefix length that will be claimed, in any order and number */
  constructor(lengths: Iterable<number>) {
    this.#lengths = Array.from(new Set(lengths)).sort((a, b) => a - b);
  }

  /** Takes `subnet` and gives true, or false when it shares addresses with a claimed one. */
  claim(subnet: Ipv4Prefix): boolean {
    const holders = this.#lengths
      .filter((length) => length <= subnet.length)
      .map((length) => holderKey(subnet, length));
    if (this.#holders.has(subnetKey(subnet)) || holders.some((key) => this.#claimed.has(key))) return false;
    this.#claimed.add(subnetKey(subnet));
    for (const key of holders) this.#holders.add(key);
    return true;
  }
}

/** `subnetKey` of the prefix of this length that holds `subnet`, which is not made for it: this runs for every peer. */
function holderKey({ address: { value } }: Ipv4Prefix, length: number): number {
  return prefixKey(value - (value % ipv4SizeOf(length)), length);
}
