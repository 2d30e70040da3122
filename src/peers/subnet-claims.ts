import { Ipv4Prefix } from "../net/ipv4.ts";
import { subnetKey } from "./peer-set.ts";

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
      .map((length) => subnetKey(Ipv4Prefix.containing(subnet.address, length)));
    if (this.#holders.has(subnetKey(subnet)) || holders.some((key) => this.#claimed.has(key))) return false;
    this.#claimed.add(subnetKey(subnet));
    for (const key of holders) this.#holders.add(key);
    return true;
  }
}
