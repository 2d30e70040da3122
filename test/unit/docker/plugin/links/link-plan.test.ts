import { describe, expect, it } from "vitest";
import { planDeletion, planNetwork, planVeth } from "../../../../../src/docker/plugin/links/link-plan.ts";
import type { LinkPlan } from "../../../../../src/docker/plugin/links/link-plan.ts";
import { devicesOfNetwork, strayDevices } from "../../../../../src/docker/plugin/links/find-devices.ts";
import type { PluginState } from "../../../../../src/docker/plugin/state/plugin-state.ts";
import type { Link } from "../../../../../src/kernel/links.ts";
import { macOf } from "../../../../support/mac.ts";
import { NETWORK, OTHER_ENDPOINT_ID, sentenceOf } from "../samples.ts";
import {
  BRIDGE,
  BRIDGE_ALIAS,
  BRIDGE_LINK,
  ENDPOINT,
  INNER,
  PORT,
  PORT_ALIAS,
  STATE,
  WHOLE,
  addressAt,
  hostWith,
  lines,
  linkOf,
} from "./host-samples.ts";

const NOTHING = { make: [], made: [], loud: [], settle: [] };

function shown({ make, settle, ...names }: LinkPlan): object {
  return { ...names, make: lines(make), settle: lines(settle) };
}

/** With ids of the first form, in the state and in the marks. */
const OLD_STATE: PluginState = { ...STATE, instanceId: "0badcafe" };
const OLD_ALIASES = [...WHOLE.links.values()].map((link) => ({
  ...link,
  alias: link.alias?.replace("0badcafe.d1d1", "0badcafe") ?? null,
}));
const OLD = { ...WHOLE, links: new Map(OLD_ALIASES.map((link) => [link.name, link])) };

describe("a plugin whose state began with an id of the first form", () => {
  it("has its bridge and its containers' veths as they should be, and none of them is a stray", () => {
    expect(planNetwork(OLD_STATE, NETWORK, OLD)).toEqual(NOTHING);
    expect(strayDevices(OLD_STATE, OLD)).toEqual([]);
    expect(devicesOfNetwork(OLD_STATE, NETWORK, OLD)).toEqual([PORT, BRIDGE]);
  });

  it("puts a container back onto the bridge", () => {
    const fallen = { ...OLD, masters: new Map() };
    const back = [`link set dev ${PORT} master ${BRIDGE} up`];
    expect(shown(planNetwork(OLD_STATE, NETWORK, fallen))).toEqual({ ...NOTHING, settle: back });
  });

  it("has strays where it knows nothing of them", () => {
    expect(strayDevices({ ...OLD_STATE, networks: new Map(), endpoints: new Map() }, OLD)).toEqual([
      BRIDGE,
      PORT,
    ]);
  });
});

describe("planNetwork", () => {
  it("makes a bridge that is missing, sets it up after that, and puts the containers that are left onto it", () => {
    const make = [
      `link add name ${BRIDGE} address 02:42:0a:f4:07:01 mtu 1472 type bridge`,
      `link set dev ${BRIDGE} alias ${BRIDGE_ALIAS}`,
    ];
    const settle = [`link set dev ${BRIDGE} up`, `address add 10.244.7.1/24 dev ${BRIDGE}`];
    const plan = { make, made: [BRIDGE], loud: [], settle };
    expect(shown(planNetwork(STATE, NETWORK, hostWith([])))).toEqual(plan);
    const fallen = hostWith([linkOf(PORT, { alias: PORT_ALIAS })]);
    const back = [...settle, `link set dev ${PORT} master ${BRIDGE} up`];
    expect(shown(planNetwork(STATE, NETWORK, fallen))).toEqual({ ...plan, settle: back });
  });

  it("gives no bridge the lease's gateway beside another device on the lease, and disturbs none that has it", () => {
    const cni0 = linkOf("cni0", { kind: "bridge", index: 9 });
    const beside = [addressAt("cni0", 9, "10.244.7.1/24")];
    const unaddressed = hostWith([linkOf(BRIDGE, BRIDGE_LINK), cni0], beside);
    for (const host of [hostWith([cni0], beside), unaddressed])
      expect(sentenceOf(() => planNetwork(STATE, NETWORK, host))).toContain(
        "device cni0 has 10.244.7.1 of this host's lease 10.244.7.0/24",
      );
    const late = { ...WHOLE, addresses: [...WHOLE.addresses, ...beside] };
    expect(planNetwork(STATE, NETWORK, late)).toEqual(NOTHING);
  });

  it("changes nothing where all is as it should be, and only what is not", () => {
    expect(planNetwork(STATE, NETWORK, WHOLE)).toEqual(NOTHING);
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
    expect(shown(planNetwork(STATE, NETWORK, worn))).toEqual({
      ...NOTHING,
      loud: [BRIDGE, PORT],
      settle: [
        `link set dev ${BRIDGE} address 02:42:0a:f4:07:01 mtu 1472 alias ${BRIDGE_ALIAS} up`,
        `address add 10.244.7.1/24 dev ${BRIDGE}`,
        `link set dev ${PORT} master ${BRIDGE} up`,
      ],
    });
  });

  it("names devices of ours on which somebody switched IPv6 on, and no others", () => {
    const strangers = linkOf("twhforeign", { alias: "x" });
    const loud = {
      ...WHOLE,
      links: new Map(WHOLE.links).set("twhforeign", strangers),
      ipv6Devices: new Set([PORT, "twhforeign", "eth0"]),
    };
    expect(planNetwork(STATE, NETWORK, loud)).toEqual({ ...NOTHING, loud: [PORT] });
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
        `Cannot make the bridge ${BRIDGE}: a device of this name is there that is not this network's; remove it (ip link del ${BRIDGE}), or give another name with -o bridge=NAME`,
      );
      expect(devicesOfNetwork(STATE, NETWORK, host)).toEqual([]);
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
    expect(planNetwork(STATE, NETWORK, host)).toEqual(NOTHING);
  });
});

describe("planVeth", () => {
  it("makes a pair, in the place of one that a crash has left, and sets the host's end up after that", () => {
    const make = [
      `link add name ${PORT} mtu 1472 type veth peer name ${INNER} mtu 1472 address 02:42:0a:f4:07:02`,
      `link set dev ${PORT} alias ${PORT_ALIAS}`,
    ];
    const plan = { make, made: [PORT], loud: [], settle: [`link set dev ${PORT} master ${BRIDGE} up`] };
    expect(shown(planVeth(STATE, NETWORK, ENDPOINT, hostWith([])))).toEqual(plan);
    const left = hostWith([linkOf(INNER, {}), linkOf(PORT, {})]);
    const again = { ...plan, make: [`link del dev ${PORT}`, ...make] };
    expect(shown(planVeth(STATE, NETWORK, ENDPOINT, left))).toEqual(again);
  });

  const TAKEN: [what: string, name: string, facts: Partial<Link>][] = [
    ["somebody's", PORT, { alias: "somebody's" }],
    ["no veth", PORT, { kind: "bridge", alias: PORT_ALIAS }],
    ["another endpoint's", PORT, { alias: PORT_ALIAS.replace(ENDPOINT.id, OTHER_ENDPOINT_ID) }],
    ["somebody's bridge", INNER, { kind: "bridge" }],
  ];
  it.each(TAKEN)("takes no device of an end's name that is %s", (_, name, facts) => {
    const host = hostWith([linkOf(name, facts)]);
    expect(sentenceOf(() => planVeth(STATE, NETWORK, ENDPOINT, host))).toBe(
      `Cannot connect the container: a device ${name} is there that is not this endpoint's; remove it: ip link del ${name}`,
    );
  });
});

describe("planDeletion", () => {
  it("deletes many as one group, and one by its name", () => {
    expect(planDeletion([], 77)).toEqual([]);
    expect(lines(planDeletion(["a"], 77))).toEqual(["link del dev a"]);
    expect(lines(planDeletion(["a", "b"], 77))).toEqual([
      "link set dev a group 77",
      "link set dev b group 77",
      "link del group 77",
    ]);
  });
});
