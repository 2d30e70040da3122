import { describe, expect, it } from "vitest";
import { parseDeviceView } from "../../../../../src/docker/plugin/links/host-view.ts";

/** What `ip -j -d address show` of iproute2 6.1 prints, as far as it is read. */
const PRINTED = [
  { ifindex: 1, ifname: "lo", flags: ["LOOPBACK", "UP"], mtu: 65536, addr_info: [] },
  {
    ...{ ifindex: 5, ifname: "tw-a", flags: ["UP"], mtu: 1472, linkinfo: { info_kind: "bridge" } },
    addr_info: [{ family: "inet", local: "10.244.7.1", prefixlen: 24, scope: "global" }],
  },
  { ifindex: 7, link: "twc1", ifname: "twh1", flags: ["UP"], mtu: 1472, master: "tw-a", addr_info: [] },
  {
    ...{
      ifindex: 9,
      link_index: 2,
      link_netnsid: 0,
      ifname: "twh2",
      flags: ["UP"],
      mtu: 1472,
      master: "tw-a",
    },
    addr_info: [{ family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link" }],
  },
];

describe("parseDeviceView", () => {
  it("reads devices, addresses, and what belongs to what in this namespace", () => {
    const view = parseDeviceView(PRINTED);
    expect([...view.links.keys()]).toEqual(["lo", "tw-a", "twh1", "twh2"]);
    expect(view.addresses).toMatchObject([{ interfaceName: "tw-a", prefixLength: 24 }]);
    expect(view.masters).toEqual(
      new Map([
        ["twh1", "tw-a"],
        ["twh2", "tw-a"],
      ]),
    );
    expect(view.partners).toEqual(new Map([["twh1", "twc1"]]));
    expect(view.ipv6Devices).toEqual(new Set(["twh2"]));
  });
});
