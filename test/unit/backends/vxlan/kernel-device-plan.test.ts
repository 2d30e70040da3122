import { describe, expect, it } from "vitest";
import {
  deviceShape,
  isCompatible,
  parsePresentDevice,
  planMaking,
  planRepair,
} from "../../../../src/backends/vxlan/kernel/device-plan.ts";
import type {
  DeviceShape,
  PresentDevice,
  WantedDevice,
} from "../../../../src/backends/vxlan/kernel/device-plan.ts";
import { parseVxlanOptions } from "../../../../src/backends/vxlan/vxlan-options.ts";
import { MacAddress } from "../../../../src/net/mac.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const SHAPE: DeviceShape = {
  deviceName: "flannel.1",
  vni: 1,
  port: 8472,
  lowerDevice: "eth0",
  local: addressOf("192.0.2.1"),
  isLearning: false,
  hasGroupPolicy: false,
  overlayMtu: 1450,
};
const WANTED: WantedDevice = {
  ...SHAPE,
  vtepMac: new MacAddress(0x824b00000001),
  address: addressOf("10.244.1.0"),
  network: prefixOf("10.244.0.0/16"),
  formerNetwork: null,
};

/** What `ip -j -d address show dev flannel.1` of iproute2 6.1 prints, without what nobody reads. */
const INFO_DATA = {
  ...{ id: 1, local: "192.0.2.1", link: "eth0", port_range: { low: 0, high: 0 }, port: 8472 },
  ...{ learning: false, ttl: 0, df: "unset", ageing: 300, udp_csum: true, udp_zero_csum6_tx: false },
};
const INET = { family: "inet", scope: "global", label: "flannel.1" };
const RECORD = {
  ...{ ifindex: 4, ifname: "flannel.1", flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"], mtu: 1450 },
  ...{ operstate: "UNKNOWN", address: "82:4b:00:00:00:01", ifalias: "twill" },
  linkinfo: { info_kind: "vxlan", info_data: INFO_DATA },
  addr_info: [{ ...INET, local: "10.244.1.0", prefixlen: 32 }],
};

function present(changes: object = {}, data: object = {}): PresentDevice {
  const linkinfo = { info_kind: "vxlan", info_data: { ...INFO_DATA, ...data } };
  const device = parsePresentDevice([{ ...RECORD, linkinfo, ...changes }]);
  if (device === null) throw new Error("The record is no device");
  return device;
}

const inet = (local: string, prefixlen = 32): object => ({ ...INET, local, prefixlen });
const repairs = (device: PresentDevice, wanted = WANTED): string[] =>
  planRepair(wanted, device).map((words) => words.join(" "));

describe("deviceShape", () => {
  it("is on the underlay's interface, from its own address and not from the public one, and fits its MTU", () => {
    const underlay = {
      ...{ interfaceName: "eth0", interfaceIndex: 2, interfaceIp: addressOf("192.0.2.1") },
      ...{ publicIp: addressOf("203.0.113.1"), underlayMtu: 1500 },
    };
    expect(deviceShape(underlay, parseVxlanOptions({ MTU: 9000 }))).toEqual(SHAPE);
  });
});

describe("parsePresentDevice", () => {
  it("finds none in what is printed for none", () => {
    expect(parsePresentDevice([])).toBeNull();
    expect(parsePresentDevice([{}])).toBeNull();
  });

  it("reads a TUN, and how many queues it was made for", () => {
    const tun = (multi_queue: boolean): object => ({
      linkinfo: { info_kind: "tun", info_data: { type: "tun", persist: true, multi_queue } },
      address: undefined,
    });
    expect(present(tun(false))).toMatchObject({ kind: "tun", hasQueues: false, vxlan: null, mac: null });
    expect(present(tun(true))).toMatchObject({ kind: "tun", hasQueues: true });
  });
});

describe("isCompatible", () => {
  it.each<[string, object]>([
    ["all is as wanted", {}],
    ["it has another source", { local: "192.0.2.9" }],
    ["it has no source", { local: undefined }],
    ["it learns", { learning: true }],
    ["a switch is printed that is off", { external: false, rsc: false }],
  ])("is true when %s", (_what, data) => {
    expect(isCompatible(WANTED, present({}, data))).toBe(true);
  });

  it.each<[string, object]>([
    ["VNI", { id: 2 }],
    ["port", { port: 4789 }],
    ["lower device", { link: "eth1" }],
    ["lower device at all", { link: undefined }],
    ["group policy", { gbp: true }],
    ["group", { group: "239.1.1.1" }],
    ["remote", { remote: "192.0.2.9" }],
    ["remote over IPv6", { remote6: "2001:db8::9" }],
    ["source over IPv6", { local: undefined, local6: "2001:db8::1" }],
    ["control by programs", { external: true }],
    ["ARP proxy", { proxy: true }],
    ["miss notification", { l2miss: true }],
  ])("is false when it has another %s", (_what, data) => {
    expect(isCompatible(WANTED, present({}, data))).toBe(false);
  });

  it("is false for a device of another kind", () => {
    expect(isCompatible(WANTED, present({ linkinfo: { info_kind: "bridge" } }))).toBe(false);
  });
});

describe("planMaking", () => {
  it("says what flannel says", () => {
    expect(planMaking(WANTED, WANTED.vtepMac).map((words) => words.join(" "))).toEqual([
      "link add flannel.1 address 82:4b:00:00:00:01 mtu 1450 txqueuelen 0 type vxlan id 1 dev eth0 local 192.0.2.1 nolearning dstport 8472",
    ]);
  });

  it("says learning and group policy when they are wanted", () => {
    const [command] = planMaking({ ...WANTED, isLearning: true, hasGroupPolicy: true }, WANTED.vtepMac);
    expect(command?.join(" ")).toMatch(/ local 192\.0\.2\.1 learning dstport 8472 gbp$/);
  });
});

describe("planRepair", () => {
  it("is empty for what is as wanted, so that adopting it costs no packet", () => {
    expect(repairs(present())).toEqual([]);
  });

  it.each<[string, PresentDevice, string]>([
    ["MTU", present({ mtu: 1300 }), "link set dev flannel.1 mtu 1450"],
    ["MAC", present({ address: "5e:00:00:00:00:01" }), "link set dev flannel.1 address 82:4b:00:00:00:01"],
    ["alias", present({ ifalias: undefined }), "link set dev flannel.1 alias twill"],
    ["state", present({ flags: [] }), "link set dev flannel.1 up"],
    [
      "learning",
      present({}, { learning: true }),
      "link set dev flannel.1 type vxlan id 1 dev eth0 local 192.0.2.1 nolearning",
    ],
    [
      "source",
      present({}, { local: "192.0.2.9" }),
      "link set dev flannel.1 type vxlan id 1 dev eth0 local 192.0.2.1 nolearning",
    ],
    ["address", present({ addr_info: [] }), "address add 10.244.1.0/32 dev flannel.1"],
  ])("puts the %s right, and nothing else", (_what, device, command) => {
    expect(repairs(device)).toEqual([command]);
  });

  it("removes addresses of earlier subnets after the new one is there, and leaves those of others", () => {
    const addr_info = [inet("10.244.9.0"), inet("10.99.9.0"), inet("198.51.100.1")];
    const former = { ...WANTED, formerNetwork: prefixOf("10.99.0.0/16") };

    expect(repairs(present({ addr_info }))).toEqual([
      "address add 10.244.1.0/32 dev flannel.1",
      "address del 10.244.9.0/32 dev flannel.1",
    ]);
    expect(repairs(present({ addr_info }), former)).toContain("address del 10.99.9.0/32 dev flannel.1");
  });

  it("sets the device up last, when the address is there", () => {
    expect(
      repairs(present({ flags: [], addr_info: [], mtu: 1300 })).map((text) => text.split(" ")[0]),
    ).toEqual(["address", "link"]);
  });
});
