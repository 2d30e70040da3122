import { describe, expect, it } from "vitest";
import { parseAddresses, planAddresses } from "../../../src/kernel/addresses.ts";
import type { InterfaceAddress } from "../../../src/kernel/addresses.ts";
import type { Ipv4Address } from "../../../src/net/ipv4.ts";
import { addressOf } from "../../support/ipv4.ts";

/** From `ip -j address show` of iproute2 6.1, members that nobody reads cut out. */
const ADDRESSES = JSON.parse(`[
  {"ifindex":1,"ifname":"lo","addr_info":[
    {"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo","valid_life_time":4294967295},
    {"family":"inet6","local":"::1","prefixlen":128,"scope":"host"}]},
  {},
  {"ifindex":2,"ifname":"flannel0","addr_info":[]},
  {"ifindex":4,"link":"v1","ifname":"v0","addr_info":[
    {"family":"inet","local":"198.51.100.1","address":"198.51.100.2","prefixlen":32,"scope":"global","label":"v0"},
    {"family":"inet","local":"192.0.2.9","prefixlen":24,"scope":"global","secondary":true,"label":"v0"},
    {"family":"inet","local":"203.0.113.9","prefixlen":24,"scope":"link","deprecated":true,"dynamic":true,
     "label":"v0","valid_life_time":100,"preferred_life_time":0}]}
]`) as unknown;

const onV0 = (address: string, other: Partial<InterfaceAddress>): InterfaceAddress => ({
  interfaceIndex: 4,
  interfaceName: "v0",
  address: addressOf(address),
  prefixLength: 24,
  scope: "global",
  isDeprecated: false,
  isDynamic: false,
  isSecondary: false,
  ...other,
});

describe("parseAddresses", () => {
  it("reads the IPv4 addresses of every device", () => {
    expect(parseAddresses(ADDRESSES)).toEqual([
      { ...onV0("127.0.0.1", { prefixLength: 8, scope: "host" }), interfaceIndex: 1, interfaceName: "lo" },
      onV0("198.51.100.1", { prefixLength: 32 }),
      onV0("192.0.2.9", { isSecondary: true }),
      onV0("203.0.113.9", { scope: "link", isDeprecated: true, isDynamic: true }),
    ]);
  });
});

describe("planAddresses", () => {
  const wanted = { address: addressOf("10.244.7.0"), prefixLength: 32 };
  const inOverlay = (address: Ipv4Address): boolean => address.toString().startsWith("10.244.");
  const plan = (...present: InterfaceAddress[]): readonly (readonly string[])[] =>
    planAddresses("v0", wanted, present, inOverlay);

  it("has nothing to do when the address is there", () => {
    expect(plan(onV0("10.244.7.0", { prefixLength: 32 }))).toEqual([]);
  });

  it("adds the new address before it takes the old one away", () => {
    expect(plan(onV0("10.244.3.0", { prefixLength: 32 }))).toEqual([
      ["address", "add", "10.244.7.0/32", "dev", "v0"],
      ["address", "del", "10.244.3.0/32", "dev", "v0"],
    ]);
  });

  it("replaces the same address of another prefix length", () => {
    expect(plan(onV0("10.244.7.0", { prefixLength: 16 }))).toEqual([
      ["address", "add", "10.244.7.0/32", "dev", "v0"],
      ["address", "del", "10.244.7.0/16", "dev", "v0"],
    ]);
  });

  it("keeps an address that the caller may not remove", () => {
    expect(plan(onV0("198.51.100.1", {}), onV0("10.244.7.0", { prefixLength: 32 }))).toEqual([]);
  });
});
