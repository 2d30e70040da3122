import { describe, expect, it } from "vitest";
import { chooseUnderlay, keepUnderlay } from "../../../../src/agent/start/choose-underlay.ts";
import type { UnderlayFacts, UnderlaySelectors } from "../../../../src/agent/start/choose-underlay.ts";
import type { InterfaceAddress } from "../../../../src/kernel/addresses.ts";
import type { Link } from "../../../../src/kernel/links.ts";
import { Ipv4Address } from "../../../../src/net/ipv4.ts";
import type { OverlayError } from "../../../../src/net/overlay-error.ts";

/*  Cases I1 to I8 of flannel-behaviour.md 12.5, on their device:
 *  dummy0: 1.10.100.1, 192.168.200.128, 172.16.30.18, 172.16.31.200, 172.16.32.100
 */
const LO: Link = link(1, "lo", { isLoopback: true, mtu: 65536 });
const DUMMY0: Link = link(2, "dummy0");
const ETH1: Link = link(3, "eth1", { mtu: 9000 });
const LINKS = [LO, DUMMY0, ETH1];
const ADDRESSES = [
  address(LO, "127.0.0.1"),
  address(DUMMY0, "1.10.100.1"),
  address(DUMMY0, "192.168.200.128"),
  address(DUMMY0, "172.16.30.18"),
  address(DUMMY0, "172.16.31.200"),
  address(DUMMY0, "172.16.32.100"),
  address(ETH1, "198.51.100.7"),
];

function link(index: number, name: string, more: Partial<Link> = {}): Link {
  const common = {
    mtu: 1500,
    isUp: true,
    isLoopback: false,
    operState: "UP",
    kind: null,
    mac: null,
    alias: null,
  };
  return { ...common, index, name, ...more };
}

function address(owner: Link, text: string, more: Partial<InterfaceAddress> = {}): InterfaceAddress {
  const common = {
    prefixLength: 24,
    scope: "global",
    isDeprecated: false,
    isDynamic: false,
    isSecondary: false,
  };
  return { ...common, interfaceIndex: owner.index, interfaceName: owner.name, address: ip(text), ...more };
}

function ip(text: string): Ipv4Address {
  const parsed = Ipv4Address.parse(text);
  if (parsed === null) throw new Error(`${text} is no address`);
  return parsed;
}

function choose(
  selectors: Partial<UnderlaySelectors>,
  facts: Partial<UnderlayFacts> = {},
): { where: string; publicIp: string; rejected: readonly string[]; mtu: number } {
  const { underlay, rejected } = chooseUnderlay(
    { iface: [], ifaceRegex: [], ifaceCanReach: null, publicIp: null, ...selectors },
    { links: LINKS, addresses: ADDRESSES, defaultRoutes: [], wayToReach: null, ...facts },
  );
  return {
    where: `${underlay.interfaceName} ${underlay.interfaceIndex} ${underlay.interfaceIp.toString()}`,
    publicIp: underlay.publicIp.toString(),
    mtu: underlay.underlayMtu,
    rejected,
  };
}

const VIA_ETH1 = { interfaceName: "eth1", gateway: ip("198.51.100.1"), metric: 0, isMultipath: false };

describe("chooseUnderlay", () => {
  it("I1: takes the address that a pattern matches", () => {
    expect(choose({ ifaceRegex: [/192\.168\.200\.\d+/] }).where).toBe("dummy0 2 192.168.200.128");
  });

  it("I2: takes the first address of an interface whose name a pattern matches", () => {
    expect(choose({ ifaceRegex: [/dummy\d+/] }).where).toBe("dummy0 2 1.10.100.1");
  });

  it("I3: takes the first address of an interface given by name", () => {
    expect(choose({ iface: ["dummy0"] }).where).toBe("dummy0 2 1.10.100.1");
  });

  it("I4: takes an address that is given", () => {
    expect(choose({ iface: ["172.16.30.18"] })).toMatchObject({
      where: "dummy0 2 172.16.30.18",
      publicIp: "172.16.30.18",
    });
  });

  it("I5: says that an IPv6 address cannot select the underlay", () => {
    expect(() => choose({ iface: ["2001:db8::1"] })).toThrow(/"2001:db8::1": the underlay is IPv4/);
  });

  it("I6: announces the public address and binds to the one that was selected", () => {
    expect(choose({ ifaceRegex: [/172\.16\.30\.\d+/], publicIp: ip("172.16.31.200") })).toMatchObject({
      where: "dummy0 2 172.16.30.18",
      publicIp: "172.16.31.200",
    });
  });

  it("I7: takes interface and source of the kernel's route to an address", () => {
    const wayToReach = { interfaceName: "dummy0", source: ip("172.16.32.100") };
    expect(choose({ ifaceCanReach: ip("172.16.32.254") }, { wayToReach }).where).toBe(
      "dummy0 2 172.16.32.100",
    );
  });

  it("I8: refuses a public address that no interface has when it is the only selector", () => {
    expect(() => choose({ publicIp: ip("203.0.113.9") }, { defaultRoutes: [VIA_ETH1] })).toThrow(
      /--public-ip=203.0.113.9: no interface has this address; to announce an address of a NAT, select/,
    );
  });

  it("selects by a public address that an interface has", () => {
    expect(choose({ publicIp: ip("172.16.31.200") }, { defaultRoutes: [VIA_ETH1] }).where).toBe(
      "dummy0 2 172.16.31.200",
    );
  });

  it("announces a public address that no interface has next to an interface flag", () => {
    expect(choose({ iface: ["eth1"], publicIp: ip("203.0.113.9") })).toMatchObject({
      where: "eth1 3 198.51.100.7",
      publicIp: "203.0.113.9",
    });
  });

  it("takes the interface of the best default route when nothing is selected", () => {
    const worse = { ...VIA_ETH1, interfaceName: "dummy0", metric: 100 };
    expect(choose({}, { defaultRoutes: [VIA_ETH1, worse] })).toMatchObject({
      where: "eth1 3 198.51.100.7",
      mtu: 9000,
    });
  });

  it("takes an MTU above the longest IPv4 packet for that length", () => {
    const withMtu = (mtu: number): number =>
      choose({ iface: ["eth1"] }, { links: [link(3, "eth1", { mtu })] }).mtu;
    expect([65_534, 65_535, 65_536].map(withMtu)).toEqual([65_534, 65_535, 65_535]);
  });

  it("refuses a default route of several next hops, and none at all", () => {
    const multipath = { ...VIA_ETH1, interfaceName: null, isMultipath: true };
    expect(() => choose({}, { defaultRoutes: [multipath] })).toThrow(/several next hops/);
    expect(() => choose({})).toThrow(/default route: there is none/);
  });

  it("tries names, then patterns, then the way to an address, and tells what did not fit", () => {
    const selectors = {
      iface: ["eth9", "203.0.113.1"],
      ifaceRegex: [/^wlan/],
      ifaceCanReach: ip("192.0.2.1"),
    };
    const wayToReach = { interfaceName: "eth1", source: ip("198.51.100.7") };
    expect(choose(selectors, { wayToReach })).toMatchObject({
      where: "eth1 3 198.51.100.7",
      rejected: [
        '--iface="eth9": no such interface',
        '--iface="203.0.113.1": no interface has this address',
        '--iface-regex="^wlan": no address and no name matches',
      ],
    });
    expect(choose({ ...selectors, iface: ["dummy0"] }, { wayToReach }).where).toBe("dummy0 2 1.10.100.1");
  });

  it("fails with a code, what was asked and what there is", () => {
    expect(() => choose({ iface: ["eth9"] })).toThrow(
      expect.objectContaining({ name: "OverlayError", code: "ERR_INTERFACE_MISSING" }) as OverlayError,
    );
    expect(() => choose({ iface: ["eth9"] }, { links: [LO, ETH1] })).toThrow(
      'Cannot choose the underlay interface: --iface="eth9": no such interface; ' +
        "this host has lo 127.0.0.1, eth1 198.51.100.7",
    );
  });

  it("escapes what the user typed", () => {
    expect(() => choose({ iface: ["\u001b[31m"] })).toThrow('--iface="\\u001b[31m": no such interface');
  });

  it("prefers global to link-local and permanent to dynamic addresses", () => {
    const addresses = [
      address(ETH1, "169.254.1.1"),
      address(ETH1, "192.0.2.3", { isDynamic: true }),
      address(ETH1, "192.0.2.2", { isDeprecated: true }),
      address(ETH1, "192.0.2.4"),
    ];
    const without = (...texts: string[]): InterfaceAddress[] =>
      addresses.filter((one) => !texts.includes(one.address.toString()));
    expect(choose({ iface: ["eth1"] }, { addresses }).where).toBe("eth1 3 192.0.2.4");
    expect(choose({ iface: ["eth1"] }, { addresses: without("192.0.2.4") }).where).toBe("eth1 3 192.0.2.3");
    expect(choose({ iface: ["eth1"] }, { addresses: without("192.0.2.4", "192.0.2.3") }).where).toBe(
      "eth1 3 169.254.1.1",
    );
  });

  it("refuses an interface without a usable address, with MTU 0, and the loopback", () => {
    const deprecated = [address(ETH1, "192.0.2.2", { isDeprecated: true })];
    expect(() => choose({ iface: ["eth1"] }, { addresses: deprecated })).toThrow(
      /eth1 has no usable IPv4 address/,
    );
    expect(() => choose({ iface: ["eth1"] }, { links: [link(3, "eth1", { mtu: 0 })] })).toThrow(
      /eth1 has MTU 0/,
    );
    expect(() => choose({ iface: ["lo"] })).toThrow(/lo is the loopback interface/);
    expect(() => choose({ iface: ["127.0.0.1"] })).toThrow(/not an address that other hosts can send to/);
  });

  it("says when the kernel has no way to an address", () => {
    expect(() => choose({ ifaceCanReach: ip("203.0.113.5") })).toThrow(
      /203.0.113.5: the kernel has no route to it/,
    );
  });
});

describe("keepUnderlay", () => {
  const current = {
    interfaceName: "dummy0",
    interfaceIndex: 2,
    interfaceIp: ip("172.16.30.18"),
    publicIp: ip("203.0.113.1"),
    underlayMtu: 1500,
  };

  function keep(facts: Partial<UnderlayFacts>): ReturnType<typeof keepUnderlay> {
    return keepUnderlay(current, {
      links: LINKS,
      addresses: ADDRESSES,
      defaultRoutes: [],
      wayToReach: null,
      ...facts,
    });
  }

  it("stays where it is although the choice would now be another address", () => {
    expect(keep({ defaultRoutes: [VIA_ETH1] })).toEqual({ underlay: current, rejected: [] });
  });

  it("follows the interface's MTU", () => {
    expect(keep({ links: [LO, { ...DUMMY0, mtu: 1400 }] })?.underlay).toEqual({
      ...current,
      underlayMtu: 1400,
    });
  });

  it.each<[string, Partial<UnderlayFacts>]>([
    [
      "its address is gone",
      { addresses: ADDRESSES.filter((one) => !one.address.equals(current.interfaceIp)) },
    ],
    ["its address is on another interface", { addresses: [address(ETH1, "172.16.30.18")] }],
    ["its address is deprecated", { addresses: [address(DUMMY0, "172.16.30.18", { isDeprecated: true })] }],
    ["its interface is gone", { links: [LO, ETH1] }],
    ["its interface was made again", { links: [LO, { ...DUMMY0, index: 9 }] }],
    ["its interface has another name", { links: [LO, { ...DUMMY0, name: "dummy1" }] }],
  ])("leaves when %s", (_why, facts) => expect(keep(facts)).toBeNull());

  it("has nothing to keep at the start", () => {
    expect(
      keepUnderlay(null, { links: LINKS, addresses: ADDRESSES, defaultRoutes: [], wayToReach: null }),
    ).toBeNull();
  });
});
