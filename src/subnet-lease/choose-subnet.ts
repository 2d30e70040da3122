import { Ipv4Prefix, ipv4SizeOf } from "../net/ipv4.ts";
import type { Ipv4Address } from "../net/ipv4.ts";

/**
 * How many free subnets the choice is made from, flannel's number: more would spread out first claims
 * better, fewer keep the subnets in use together.
 */
const MAX_CANDIDATES = 100;

/** The part of a network config the choice depends on. */
export interface ChoiceRange {
  readonly subnetLength: number;
  readonly subnetMin: Ipv4Address;
  readonly subnetMax: Ipv4Address;
}

/** How many subnets the range has, free or not. */
export function countSubnets(range: ChoiceRange): number {
  return Math.max(0, (range.subnetMax.value - range.subnetMin.value) / ipv4SizeOf(range.subnetLength) + 1);
}

/**
 * Chooses at random among the first 100 free subnets from `subnetMin` up, so that nodes that start together
 * seldom collide; null when none is free. A subnet is free when it overlaps none of `taken`, whatever
 * their lengths.
 * @param random gives 0 to 1, 1 excluded, as `Math.random`
 */
export function chooseSubnet(
  range: ChoiceRange,
  taken: readonly Ipv4Prefix[],
  random: () => number,
): Ipv4Prefix | null {
  const candidates = listFreeSubnets(range, taken, MAX_CANDIDATES);
  return candidates[Math.floor(random() * candidates.length)] ?? null;
}

/**
 * The first `limit` free subnets. One pass over both in the order of addresses: a walk that compared every
 * subnet of a /8 with every one of 60,000 leases would take minutes.
 */
export function listFreeSubnets(
  range: ChoiceRange,
  taken: readonly Ipv4Prefix[],
  limit: number,
): Ipv4Prefix[] {
  const size = ipv4SizeOf(range.subnetLength);
  const blocks = [...taken].sort((a, b) => a.address.value - b.address.value);
  const free: Ipv4Prefix[] = [];
  let base = range.subnetMin;
  let next = 0; // the first block not yet known to end before `base`
  while (base.value <= range.subnetMax.value && free.length < limit) {
    const candidate = new Ipv4Prefix(base, range.subnetLength);
    const block = blocks[next];
    if (block === undefined || candidate.last.value < block.address.value) {
      free.push(candidate);
      if (base.value + size > range.subnetMax.value) break;
      base = base.plus(size);
    } else if (block.last.value < base.value) {
      next++;
    } else {
      const after = Math.ceil((block.last.value + 1) / size) * size; // the first base past the block
      if (after > range.subnetMax.value) break;
      base = base.plus(after - base.value);
    }
  }
  return free;
}
