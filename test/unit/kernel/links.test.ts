import { describe, expect, it } from "vitest";
import { createIpCommand } from "../../../src/kernel/ip-command.ts";
import { parseLinks, planLink, readDeviceJson } from "../../../src/kernel/links.ts";
import { macOf } from "../../support/mac.ts";

/** From `ip -j -d link show` of iproute2 6.1, members that nobody reads cut out. */
const LINKS = JSON.parse(`[
  {"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"qdisc":"noqueue",
   "operstate":"UNKNOWN","link_type":"loopback","address":"00:00:00:00:00:00","min_mtu":0},
  {},
  {"ifindex":2,"ifname":"flannel0","flags":["POINTOPOINT","MULTICAST","NOARP"],"mtu":1500,"qdisc":"noop",
   "operstate":"DOWN","link_type":"none","min_mtu":68,"max_mtu":65535,"linkinfo":{"info_kind":"tun",
   "info_data":{"type":"tun","pi":false,"vnet_hdr":false,"multi_queue":false,"persist":true}}},
  {"ifindex":4,"link":"v1","ifname":"v0","flags":["NO-CARRIER","BROADCAST","MULTICAST","UP","M-DOWN"],"mtu":1500,
   "operstate":"LOWERLAYERDOWN","link_type":"ether","linkinfo":{"info_kind":"veth"}},
  {"ifindex":6,"ifname":"flannel.1","flags":["BROADCAST","MULTICAST","UP","LOWER_UP"],"mtu":1450,"qdisc":"noqueue",
   "operstate":"UNKNOWN","link_type":"ether","address":"02:00:00:00:00:01","linkinfo":{"info_kind":"vxlan"},
   "ifalias":"twill"}
]`) as unknown;

describe("parseLinks", () => {
  it("reads what ip prints", () => {
    const common = { isLoopback: false, mtu: 1500, mac: null, alias: null };
    expect(parseLinks(LINKS)).toEqual([
      {
        ...common,
        ...{ index: 1, name: "lo", mtu: 65536, isUp: true, isLoopback: true },
        ...{ operState: "UNKNOWN", mac: macOf("00:00:00:00:00:00"), kind: null },
      },
      { ...common, index: 2, name: "flannel0", isUp: false, operState: "DOWN", kind: "tun" },
      { ...common, index: 4, name: "v0", isUp: true, operState: "LOWERLAYERDOWN", kind: "veth" },
      {
        ...common,
        ...{ index: 6, name: "flannel.1", mtu: 1450, isUp: true, operState: "UNKNOWN", kind: "vxlan" },
        ...{ mac: macOf("02:00:00:00:00:01"), alias: "twill" },
      },
    ]);
  });

  it.each([[null], [{}], ["[]"], [[null, 7, "lo", []]]])("reads nothing from %j", (json) => {
    expect(parseLinks(json)).toEqual([]);
  });
});

describe("readDeviceJson", () => {
  const noAbort = new AbortController().signal;

  it("reads a device from the real ip", async () => {
    const json = await readDeviceJson(createIpCommand(), "lo", noAbort);
    expect(parseLinks(json)[0]).toMatchObject({ index: 1, isLoopback: true });
  });

  it("gives none when there is no such device, and throws on any other failure", async () => {
    expect(await readDeviceJson(createIpCommand(), "twill-none", noAbort)).toEqual([]);
    const noProgram = createIpCommand({ program: "/nowhere/ip", deadlineMs: 1_000 });
    await expect(readDeviceJson(noProgram, "twill-none", noAbort)).rejects.toThrow("not found in PATH");
  });
});

describe("planLink", () => {
  const mac = macOf("02:00:00:00:00:01");
  const link = {
    index: 2,
    name: "flannel0",
    mtu: 1472,
    isUp: true,
    isLoopback: false,
    operState: "UP",
    kind: "tun",
    mac: null,
    alias: "twill",
  };

  it("has nothing to do on a device that is as wanted", () => {
    expect(planLink({ mtu: 1472 }, link)).toEqual([]);
    expect(planLink({ mtu: 1472 }, { ...link, mac })).toEqual([]);
    expect(planLink({ mtu: 1472, mac }, { ...link, mac })).toEqual([]);
  });

  it("changes only what differs, in one command", () => {
    const set = ["link", "set", "dev", "flannel0"];
    expect(planLink({ mtu: 1472 }, { ...link, isUp: false })).toEqual([[...set, "up"]]);
    expect(planLink({ mtu: 1422 }, link)).toEqual([[...set, "mtu", "1422"]]);
    expect(planLink({ mtu: 1422 }, { ...link, isUp: false })).toEqual([[...set, "mtu", "1422", "up"]]);
    expect(planLink({ mtu: 1472 }, { ...link, alias: null })).toEqual([[...set, "alias", "twill"]]);
    expect(planLink({ mtu: 1472, mac }, { ...link, mac: macOf("02:00:00:00:00:02"), alias: "mine" })).toEqual(
      [[...set, "address", "02:00:00:00:00:01", "alias", "twill"]],
    );
  });
});
