import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Ipv4Address, Ipv4Prefix } from "../../../src/net/ipv4.ts";
import { chooseSubnet, countSubnets, listFreeSubnets } from "../../../src/subnet-lease/choose-subnet.ts";
import type { ChoiceRange } from "../../../src/subnet-lease/choose-subnet.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

function range(min: string, max: string, subnetLength: number): ChoiceRange {
  return { subnetLength, subnetMin: addressOf(min), subnetMax: addressOf(max) };
}

const DUMMY_RANGE = range("10.3.1.0", "10.3.25.0", 24);
const DUMMY_TAKEN = ["10.3.1.0/24", "10.3.2.0/24", "10.3.4.0/24", "10.3.5.0/24", "10.3.31.0/24"].map(
  prefixOf,
);

/** Compares every subnet of the range with every taken one. */
function listFreeSlowly(
  { subnetLength, subnetMin, subnetMax }: ChoiceRange,
  taken: readonly Ipv4Prefix[],
): string[] {
  const free: string[] = [];
  for (let base = subnetMin.value; base <= subnetMax.value; base += 2 ** (32 - subnetLength)) {
    const candidate = new Ipv4Prefix(new Ipv4Address(base), subnetLength);
    if (!taken.some((other) => other.overlaps(candidate))) free.push(candidate.toString());
  }
  return free;
}

describe("chooseSubnet", () => {
  it("starts at the first free subnet and ends at the last (flannel's fixture, L1)", () => {
    expect(chooseSubnet(DUMMY_RANGE, DUMMY_TAKEN, () => 0)?.toString()).toBe("10.3.3.0/24");
    expect(chooseSubnet(DUMMY_RANGE, DUMMY_TAKEN, () => 0.999)?.toString()).toBe("10.3.25.0/24");
  });

  it("chooses among the first 100 free ones only", () => {
    expect(chooseSubnet(range("10.0.1.0", "10.255.255.0", 24), [], () => 0.9999)?.toString()).toBe(
      "10.0.100.0/24",
    );
  });

  it("gives null when all are taken (L18)", () => {
    expect(chooseSubnet(DUMMY_RANGE, [prefixOf("10.3.0.0/16")], () => 0)).toBeNull();
    expect(chooseSubnet(range("10.3.9.0", "10.3.8.0", 24), [], () => 0)).toBeNull();
  });

  it("takes a subnet for taken that a wider or narrower lease overlaps", () => {
    const taken = [prefixOf("10.3.1.64/26"), prefixOf("10.3.2.0/23"), prefixOf("10.3.4.0/22")];
    expect(chooseSubnet(DUMMY_RANGE, taken, () => 0)?.toString()).toBe("10.3.8.0/24");
  });

  it("reaches the end of the address space", () => {
    const end = range("255.255.255.0", "255.255.255.252", 30);
    expect(listFreeSubnets(end, [], 100)).toHaveLength(64);
    expect(listFreeSubnets(end, [prefixOf("255.255.255.128/25")], 100)).toHaveLength(32);
  });

  it("agrees with the slow way", () => {
    const anyTaken = fc
      .tuple(fc.integer({ min: 0, max: 2 ** 12 - 1 }), fc.integer({ min: 18, max: 30 }))
      .map(([offset, length]) => Ipv4Prefix.containing(addressOf("10.3.0.0").plus(offset * 4), length));
    const anyRange = fc
      .tuple(fc.nat(31), fc.nat(31), fc.constantFrom(24, 26, 28))
      .map(([a, b, length]) => range(`10.3.${Math.min(a, b)}.0`, `10.3.${Math.max(a, b)}.0`, length));
    fc.assert(
      fc.property(anyRange, fc.array(anyTaken, { maxLength: 40 }), (choiceRange, taken) => {
        const free = listFreeSubnets(choiceRange, taken, Infinity).map(String);
        expect(free).toEqual(listFreeSlowly(choiceRange, taken));
      }),
      { numRuns: 500 },
    );
  });

  it("finds the last free /24 of a /8 behind 60,000 leases in under a second of CPU time", () => {
    const wide = range("10.0.0.0", "10.255.255.0", 24);
    const taken = Array.from({ length: 60_000 }, (_, i) =>
      Ipv4Prefix.containing(wide.subnetMin.plus(i * 256), 24),
    );
    const start = process.cpuUsage();
    expect(chooseSubnet(wide, taken.reverse(), () => 0)?.toString()).toBe("10.234.96.0/24");
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1_000).toBeLessThan(1_000);
  });
});

describe("countSubnets", () => {
  it.each([
    [DUMMY_RANGE, 25],
    [range("10.3.1.0", "10.3.1.0", 24), 1],
    [range("10.3.9.0", "10.3.8.0", 24), 0],
    [range("10.0.0.4", "10.0.0.12", 30), 3],
  ])("counts both ends", (choiceRange, count) => expect(countSubnets(choiceRange)).toBe(count));
});
