import { describe, expect, it } from "vitest";
import { parseLinks, planLink } from "../../../src/kernel/links.ts";

/** From `ip -j -d link show` of iproute2 6.1, members that nobody reads cut out. */
const LINKS = JSON.parse(`[
  {"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"qdisc":"noqueue",
   "operstate":"UNKNOWN","link_type":"loopback","address":"00:00:00:00:00:00","min_mtu":0},
  {},
  {"ifindex":2,"ifname":"flannel0","flags":["POINTOPOINT","MULTICAST","NOARP"],"mtu":1500,"qdisc":"noop",
   "operstate":"DOWN","link_type":"none","min_mtu":68,"max_mtu":65535,"linkinfo":{"info_kind":"tun",
   "info_data":{"type":"tun","pi":false,"vnet_hdr":false,"multi_queue":false,"persist":true}}},
  {"ifindex":4,"link":"v1","ifname":"v0","flags":["NO-CARRIER","BROADCAST","MULTICAST","UP","M-DOWN"],"mtu":1500,
   "operstate":"LOWERLAYERDOWN","link_type":"ether","linkinfo":{"info_kind":"veth"}}
]`) as unknown;

describe("parseLinks", () => {
  it("reads what ip prints", () => {
    expect(parseLinks(LINKS)).toEqual([
      { index: 1, name: "lo", mtu: 65536, isUp: true, isLoopback: true, operState: "UNKNOWN", kind: null },
      {
        index: 2,
        name: "flannel0",
        mtu: 1500,
        isUp: false,
        isLoopback: false,
        operState: "DOWN",
        kind: "tun",
      },
      {
        index: 4,
        name: "v0",
        mtu: 1500,
        isUp: true,
        isLoopback: false,
        operState: "LOWERLAYERDOWN",
        kind: "veth",
      },
    ]);
  });

  it.each([[null], [{}], ["[]"], [[null, 7, "lo", []]]])("reads nothing from %j", (json) => {
    expect(parseLinks(json)).toEqual([]);
  });
});

describe("planLink", () => {
  const link = {
    index: 2,
    name: "flannel0",
    mtu: 1472,
    isUp: true,
    isLoopback: false,
    operState: "UP",
    kind: "tun",
  };

  it("has nothing to do on a device that is as wanted", () => {
    expect(planLink({ mtu: 1472 }, link)).toEqual([]);
  });

  it("changes only what differs, in one command", () => {
    const set = ["link", "set", "dev", "flannel0"];
    expect(planLink({ mtu: 1472 }, { ...link, isUp: false })).toEqual([[...set, "up"]]);
    expect(planLink({ mtu: 1422 }, link)).toEqual([[...set, "mtu", "1422"]]);
    expect(planLink({ mtu: 1422 }, { ...link, isUp: false })).toEqual([[...set, "mtu", "1422", "up"]]);
  });
});
