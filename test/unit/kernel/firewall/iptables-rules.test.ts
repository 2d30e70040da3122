import { describe, expect, it } from "vitest";
import { flannelChains } from "../../../../src/kernel/firewall/iptables-rules.ts";
import { prefixOf } from "../../../support/ipv4.ts";

const WANTED = {
  network: prefixOf("10.244.0.0/16"),
  ownSubnet: prefixOf("10.244.7.0/24"),
  isMasquerading: true,
  isForwarding: true,
  isFullyRandom: true,
};

describe("flannelChains", () => {
  it("has flannel's seven rules of nat and three of filter, in its order and text", () => {
    expect(flannelChains(WANTED, true)).toEqual([
      {
        table: "nat",
        hook: "POSTROUTING",
        name: "FLANNEL-POSTRTG",
        jump: '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
        rules: [
          '-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN',
          '-A FLANNEL-POSTRTG -s 10.244.7.0/24 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j RETURN',
          '-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d 10.244.7.0/24 -m comment --comment "flanneld masq" -j RETURN',
          '-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.7.0/24 -m comment --comment "flanneld masq" -j RETURN',
          '-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully',
          '-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully',
        ],
      },
      {
        table: "filter",
        hook: "FORWARD",
        name: "FLANNEL-FWD",
        jump: '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
        rules: [
          '-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
          '-A FLANNEL-FWD -d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
        ],
      },
    ]);
  });

  it.each([
    ["nothing", null, [false, false]],
    ["no masquerading", { ...WANTED, isMasquerading: false }, [false, true]],
    ["no forwarding", { ...WANTED, isForwarding: false }, [true, false]],
  ])("has no rules for what is not wanted: %s", (_what, wanted, expected) => {
    expect(flannelChains(wanted, true).map(({ rules }) => rules !== null)).toEqual(expected);
  });

  it.each([
    [true, true, 2],
    [false, true, 0],
    [true, false, 0],
  ])(
    "says --random-fully when it is wanted (%j) and iptables knows it (%j)",
    (isFullyRandom, canRandomFully, count) => {
      const rules = flannelChains({ ...WANTED, isFullyRandom }, canRandomFully).flatMap(
        (chain) => chain.rules ?? [],
      );
      expect(rules.filter((rule) => rule.endsWith(" -j MASQUERADE --random-fully"))).toHaveLength(count);
      expect(rules.filter((rule) => rule.endsWith(" -j MASQUERADE"))).toHaveLength(2 - count);
    },
  );
});
