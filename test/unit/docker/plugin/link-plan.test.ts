import { describe, expect, it } from "vitest";
import { formatAlias, parseAlias } from "../../../../src/docker/plugin/links/device-names.ts";
import {
  planNetwork,
  planNetworkRemoval,
  planStrayRemoval,
  planVeth,
  planVethRemoval,
  refuseOccupied,
} from "../../../../src/docker/plugin/links/link-plan.ts";
import type { HostView } from "../../../../src/docker/plugin/links/link-plan.ts";
import type { Endpoint, PluginState } from "../../../../src/docker/plugin/state/plugin-state.ts";
import type { InterfaceAddress } from "../../../../src/kernel/addresses.ts";
import type { BatchCommand } from "../../../../src/kernel/ip-batch.ts";
import type { Link } from "../../../../src/kernel/links.ts";
import { addressOf } from "../../../support/ipv4.ts";
import { macOf } from "../../../support/mac.ts";
import { ENDPOINT_ID, NETWORK, NETWORK_ID, OTHER_ID, WITH_NETWORK, sentenceOf } from "./samples.ts";

const ENDPOINT: Endpoint = {
  id: ENDPOINT_ID,
  networkId: NETWORK_ID,
  address: addressOf("10.244.7.2"),
  mac: macOf("02:42:0a:f4:07:02"),
};
const STATE: PluginState = { ...WITH_NETWORK, endpoints: new Map([[ENDPOINT_ID, ENDPOINT]]) };
const [BRIDGE, PORT, INNER] = ["tw-a1a1a1a1a1a1", "twhc3c3c3c3c3c3", "twcc3c3c3c3c3c3"];
const BRIDGE_ALIAS = `twill-docker:0badcafe:network:${NETWORK_ID}`;
const PORT_ALIAS = `twill-docker:0badcafe:endpoint:${ENDPOINT_ID}`;
const BRIDGE_LINK: Partial<Link> = {
  index: 5,
  kind: "bridge",
  alias: BRIDGE_ALIAS,
  mac: macOf("02:42:0a:f4:07:01"),
};

function linkOf(name: string, facts: Partial<Link>): Link {
  const common = { index: 9, mtu: 1472, isUp: true, isLoopback: false, operState: "UP" };
  return { ...common, mac: null, alias: null, kind: "veth", name, ...facts };
}

function addressAt(interfaceName: string, interfaceIndex: number, text: string): InterfaceAddress {
  const [address = "", length] = text.split("/");
  const flags = { scope: "global", isDeprecated: false, isDynamic: false, isSecondary: false };
  return {
    interfaceName,
    interfaceIndex,
    address: addressOf(address),
    prefixLength: Number(length),
    ...flags,
  };
}

function hostWith(
  links: readonly Link[],
  addresses: InterfaceAddress[] = [],
  masters: [string, string][] = [],
): HostView {
  return { links: new Map(links.map((link) => [link.name, link])), addresses, masters: new Map(masters) };
}

/** As the plugin leaves it. */
const WHOLE = hostWith(
  [linkOf(BRIDGE, BRIDGE_LINK), linkOf(PORT, { alias: PORT_ALIAS })],
  [addressAt(BRIDGE, 5, "10.244.7.1/24")],
  [[PORT, BRIDGE]],
);

function lines(commands: readonly BatchCommand[]): string[] {
  return commands.map((words) => words.join(" "));
}

describe("planNetwork", () => {
  it("makes a bridge that is missing and puts the containers that are left onto it", () => {
    const ADDED = `link add name ${BRIDGE} address 02:42:0a:f4:07:01 mtu 1472 type bridge`;
    const SET = `link set dev ${BRIDGE} alias ${BRIDGE_ALIAS} up`;
    const ADDRESS = `address add 10.244.7.1/24 dev ${BRIDGE}`;
    expect(lines(planNetwork(STATE, NETWORK, hostWith([])))).toEqual([ADDED, SET, ADDRESS]);
    const fallen = hostWith([linkOf(PORT, { alias: PORT_ALIAS })]);
    const BACK = `link set dev ${PORT} master ${BRIDGE} up`;
    expect(lines(planNetwork(STATE, NETWORK, fallen))).toEqual([ADDED, SET, ADDRESS, BACK]);
  });

  it("changes nothing where all is as it should be, and only what is not", () => {
    expect(planNetwork(STATE, NETWORK, WHOLE)).toEqual([]);
    const worn = hostWith(
      [
        linkOf(BRIDGE, {
          ...BRIDGE_LINK,
          mtu: 1500,
          isUp: false,
          mac: macOf("02:00:5e:00:53:01"),
          alias: null,
        }),
        linkOf(PORT, { alias: PORT_ALIAS, isUp: false }),
      ],
      [addressAt(BRIDGE, 5, "10.244.7.1/16")],
      [[PORT, BRIDGE]],
    );
    expect(lines(planNetwork(STATE, NETWORK, worn))).toEqual([
      `link set dev ${BRIDGE} address 02:42:0a:f4:07:01 mtu 1472 alias ${BRIDGE_ALIAS} up`,
      `address add 10.244.7.1/24 dev ${BRIDGE}`,
      `link set dev ${PORT} master ${BRIDGE} up`,
    ]);
  });

  const TAKEN: [what: string, facts: Partial<Link>][] = [
    ["no bridge", { kind: "veth", alias: BRIDGE_ALIAS }],
    ["somebody's", { kind: "bridge", alias: "somebody's" }],
    ["another plugin's", { kind: "bridge", alias: BRIDGE_ALIAS.replace("0badcafe", "00000000") }],
  ];
  it.each(TAKEN)(
    "leaves a device of the bridge's name alone that is %s, and so does a removal",
    (_, facts) => {
      const host = hostWith([linkOf(BRIDGE, facts)]);
      expect(sentenceOf(() => planNetwork(STATE, NETWORK, host))).toBe(
        `Cannot make the bridge ${BRIDGE}: a device of this name is there that is not this network's; remove it, or give another name with -o bridge=NAME`,
      );
      expect(planNetworkRemoval(STATE, NETWORK, host)).toEqual([]);
    },
  );

  it("takes no unmarked bridge under a name that the user chose", () => {
    const network = { ...NETWORK, bridgeName: "br0" };
    const host = hostWith([linkOf("br0", { kind: "bridge" })]);
    expect(sentenceOf(() => planNetwork(STATE, network, host))).toContain("Cannot make the bridge br0");
  });

  it("leaves a device with a container's name alone that is not ours", () => {
    const host = {
      ...WHOLE,
      links: new Map(WHOLE.links).set(PORT, linkOf(PORT, { alias: "x" })),
      masters: new Map(),
    };
    expect(planNetwork(STATE, NETWORK, host)).toEqual([]);
  });
});

describe("planVeth", () => {
  const ADD = `link add name ${PORT} mtu 1472 type veth peer name ${INNER} mtu 1472 address 02:42:0a:f4:07:02`;
  const SET = `link set dev ${PORT} alias ${PORT_ALIAS} master ${BRIDGE} up`;

  it("makes a pair, in the place of one that a crash has left", () => {
    expect(lines(planVeth(STATE, NETWORK, ENDPOINT, hostWith([])))).toEqual([ADD, SET]);
    const left = hostWith([linkOf(INNER, {}), linkOf(PORT, {})]);
    expect(lines(planVeth(STATE, NETWORK, ENDPOINT, left))).toEqual([`link del dev ${PORT}`, ADD, SET]);
  });
});

describe("removals", () => {
  it("name what is there and ours", () => {
    expect(lines(planNetworkRemoval(STATE, NETWORK, WHOLE))).toEqual([
      `link del dev ${PORT}`,
      `link del dev ${BRIDGE}`,
    ]);
    expect(lines(planVethRemoval(STATE, ENDPOINT_ID, WHOLE))).toEqual([`link del dev ${PORT}`]);
    expect(planVethRemoval(STATE, ENDPOINT_ID, hostWith([]))).toEqual([]);
    expect(planVethRemoval(STATE, ENDPOINT_ID, hostWith([linkOf(PORT, { alias: "x" })]))).toEqual([]);
    expect(planNetworkRemoval(STATE, NETWORK, hostWith([]))).toEqual([]);
  });

  it("collect what carries our mark and is unknown, and nothing of another plugin or anybody", () => {
    const mark = (instanceId: string, kind: "network" | "endpoint", id: string): string =>
      formatAlias({ instanceId, kind, id });
    const host = hostWith([
      ...WHOLE.links.values(),
      linkOf("x1", { alias: mark("0badcafe", "endpoint", OTHER_ID) }),
      linkOf("x2", { alias: mark("0badcafe", "network", OTHER_ID) }),
      linkOf("x3", { alias: mark("00000000", "endpoint", OTHER_ID) }),
      linkOf("x4", { alias: "twill" }),
      linkOf("x5", {}),
    ]);
    expect(lines(planStrayRemoval(STATE, host))).toEqual(["link del dev x1", "link del dev x2"]);
  });
});

describe("parseAlias", () => {
  it("reads a plugin's marks and nothing else", () => {
    const mark = { instanceId: "0badcafe", kind: "endpoint", id: ENDPOINT_ID } as const;
    expect(parseAlias(formatAlias(mark))).toEqual(mark);
    for (const alias of [
      null,
      "",
      "twill",
      "twill-docker:a:b:c",
      "twill-docker:a:network",
      `${formatAlias(mark)}:x`,
    ])
      expect(parseAlias(alias)).toBeNull();
  });
});

describe("refuseOccupied", () => {
  it("names a device with addresses of the lease, but for overlay devices and the bridge itself", () => {
    const host = hostWith(
      [],
      [
        addressAt("eth0", 2, "192.0.2.1/24"),
        addressAt("flannel0", 3, "10.244.7.0/32"),
        addressAt("flannel.1", 4, "10.244.7.0/16"),
        addressAt(BRIDGE, 5, "10.244.7.1/24"),
      ],
    );
    expect(() => refuseOccupied(NETWORK, host)).not.toThrow();
    const docker0 = addressAt("docker0", 6, "10.244.7.1/24");
    expect(sentenceOf(() => refuseOccupied(NETWORK, hostWith([], [...host.addresses, docker0])))).toBe(
      "Cannot make the network: device docker0 has 10.244.7.1 of this host's lease 10.244.7.0/24; take that away first (dockerd --bip, a CNI bridge, another network)",
    );
  });
});
