import { describe, expect, it } from "vitest";
import { isHostOf, isOwnHost } from "../../../src/datapath/address-owner.ts";
import { createPacketRules } from "../../../src/datapath/packet-verdict.ts";
import { engineOptions, tableOf } from "../../support/engine-bench.ts";
import { prefix6Of } from "../../support/ipv6.ts";
import { packetOf } from "../../support/packets.ts";
import { packet6Of } from "../../support/packets6.ts";

describe("isOwnHost and isHostOf", () => {
  // Bytes 12 to 15 of an IPv6 packet with such a source read as 10.244.1.255 would in an IPv4 packet.
  const subnet6 = "2001:db8:af4:1ff::/64";
  const packet6 = packet6Of({ source: "2001:db8:af4:1ff::7" });
  const broadcast = packetOf({ source: "10.244.1.255" });

  it("know of a broadcast address in IPv4 alone: ours", () => {
    const rules = createPacketRules({ ...engineOptions(8285), ownSubnet6: prefix6Of(subnet6) });
    expect([packet6, broadcast, packetOf()].map((packet) => isOwnHost(packet, rules))).toEqual([
      true,
      false,
      true,
    ]);
  });

  it("know of a broadcast address in IPv4 alone: a peer's", () => {
    const table = tableOf([{ subnet: "10.244.1.0/24", subnet6, underlayIp: "192.0.2.2" }]);
    expect([packet6, broadcast, packetOf()].map((packet) => isHostOf(0, packet, table))).toEqual([
      true,
      false,
      true,
    ]);
  });
});
