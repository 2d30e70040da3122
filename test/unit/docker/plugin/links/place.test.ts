import { describe, expect, it } from "vitest";
import type { HostView } from "../../../../../src/docker/plugin/links/host-view.ts";
import { clearPlace } from "../../../../../src/docker/plugin/links/place.ts";
import type { Link } from "../../../../../src/kernel/links.ts";
import { NETWORK, OTHER_ID, WITH_NETWORK, sentenceOf } from "../samples.ts";
import { BRIDGE, BRIDGE_ALIAS, PORT, PORT_ALIAS, addressAt, hostWith, linkOf } from "./host-samples.ts";

/** Of a state that this directory has lost. */
const LEFT_ALIAS = `twill-docker:00000000.d1d1:network:${OTHER_ID}`;
/** Of a plugin with another state directory. */
const OTHERS_ALIAS = LEFT_ALIAS.replace("d1d1", "d2d2");
const LEFT_PORT_ALIAS = PORT_ALIAS.replace("0badcafe", "00000000");
const OCCUPIED = "has 10.244.7.1 of this host's lease 10.244.7.0/24, which carries one network;";

const BRIDGE_AWAY =
  "remove its network where Docker has one (docker network rm), or once no container needs it: ip link delete dev ";

/** A bridge with the lease's gateway that a network had before, and a veth on it. */
function leftBy(alias: string, port: Partial<Link> = { alias: LEFT_PORT_ALIAS }): HostView {
  return {
    ...hostWith(
      [linkOf("ov0", { kind: "bridge", alias, index: 5 }), linkOf(PORT, port)],
      [addressAt("ov0", 5, "10.244.7.1/24")],
      [[PORT, "ov0"]],
    ),
    partners: new Map([[PORT, "twcc3c3c3c3c3c3"]]),
  };
}

function refusal(host: HostView): string {
  return sentenceOf(() => clearPlace(WITH_NETWORK, NETWORK, host));
}

describe("clearPlace", () => {
  it("finds a place free beside overlay devices, the bridge itself and other networks", () => {
    const host = hostWith(
      [linkOf(BRIDGE, { kind: "bridge", alias: BRIDGE_ALIAS })],
      [
        addressAt("eth0", 2, "192.0.2.1/24"),
        addressAt("flannel0", 3, "10.244.7.0/32"),
        addressAt("flannel.1", 4, "10.244.7.0/16"),
        addressAt(BRIDGE, 5, "10.244.7.1/24"),
      ],
    );
    expect(clearPlace(WITH_NETWORK, NETWORK, host)).toEqual({ leftovers: [], host });
  });

  it("takes away what a lost state has left on the lease, with veths that no container has", () => {
    const { leftovers, host } = clearPlace(WITH_NETWORK, NETWORK, leftBy(LEFT_ALIAS));
    expect(leftovers).toEqual([PORT, "ov0"]);
    expect([host.links.has("ov0"), host.addresses]).toEqual([false, []]);
  });

  it("takes it away for a pool too, which has no bridge yet", () => {
    const pool = { bridgeName: null, lease: NETWORK.lease };
    expect(clearPlace(WITH_NETWORK, pool, leftBy(LEFT_ALIAS)).leftovers).toEqual([PORT, "ov0"]);
    const docker0 = hostWith([linkOf("docker0", { index: 5 })], [addressAt("docker0", 5, "10.244.7.1/24")]);
    expect(sentenceOf(() => clearPlace(WITH_NETWORK, pool, docker0))).toContain(`device docker0 ${OCCUPIED}`);
  });

  it("takes away what was left under the bridge's name, and nothing that is in nobody's way", () => {
    const named = hostWith([
      linkOf(BRIDGE, { kind: "bridge", alias: LEFT_ALIAS }),
      linkOf("tw-other", { kind: "bridge", alias: LEFT_ALIAS }),
    ]);
    expect(clearPlace(WITH_NETWORK, NETWORK, named).leftovers).toEqual([BRIDGE]);
  });

  const USED: [what: string, host: HostView][] = [
    ["a container", { ...leftBy(LEFT_ALIAS), partners: new Map() }],
    ["somebody's device", leftBy(LEFT_ALIAS, { alias: null })],
    ["another plugin's veth", leftBy(LEFT_ALIAS, { alias: PORT_ALIAS })],
    [
      "a VLAN",
      {
        ...leftBy(LEFT_ALIAS),
        partners: new Map([
          [PORT, "twc0"],
          ["ov0.5", "ov0"],
        ]),
      },
    ],
  ];
  it.each(USED)("refuses, and names the way out, where %s uses what is left", (_, host) => {
    expect(refusal(host)).toBe(
      `Cannot make the network: device ov0 ${OCCUPIED} remove the containers on network b2b2b2b2b2b2, which this plugin does not know, or: ip link delete dev ov0`,
    );
  });

  const OF_ANOTHER =
    "of another network plugin, with a state directory of its own: docker network rm b2b2b2b2b2b2 at its Docker while that plugin runs, or where they are gone for good:";
  const OF_SOME =
    "of a network plugin whose state directory is not known, as its state was lost or it is another engine's: docker network rm b2b2b2b2b2b2 at the Docker that has it, or where none has it:";
  const OTHERS: [what: string, alias: string, whose: string][] = [
    ["of another directory's plugin", OTHERS_ALIAS, OF_ANOTHER],
    ["of the first version, whose directory cannot be told", LEFT_ALIAS.replace(".d1d1", ""), OF_SOME],
  ];
  it.each(OTHERS)("refuses an unused bridge %s, whether that runs or not", (_, alias, whose) => {
    const host = leftBy(alias, { alias: LEFT_PORT_ALIAS.replace("d1d1", "d2d2") });
    const sentenceFor = (of: string): string =>
      `Cannot make the network: device ov0 ${OCCUPIED} remove the network ${of} ip link delete dev ov0`;
    expect(refusal(host)).toBe(sentenceFor(whose));
    const running = { ...host, runningInstances: new Set([alias.split(":")[1] ?? ""]) };
    expect(refusal(running)).toBe(sentenceFor(OF_ANOTHER));
    const named = hostWith([linkOf(BRIDGE, { kind: "bridge", alias })]);
    expect(clearPlace(WITH_NETWORK, NETWORK, named).leftovers).toEqual([]);
  });

  it("refuses the unused bridge of any other plugin as long as its own directory cannot be told", () => {
    const state = { ...WITH_NETWORK, instanceId: "0badcafe" };
    expect(sentenceOf(() => clearPlace(state, NETWORK, leftBy(LEFT_ALIAS)))).toContain(OF_SOME);
  });

  it("refuses what this plugin has itself", () => {
    const sentence = `Cannot make the network: device ov0 ${OCCUPIED} remove the network plugin's network: docker network rm b2b2b2b2b2b2 (where Docker does not know it: twill docker-plugin --forget b2b2b2b2b2b2; where neither knows it: ip link delete dev ov0)`;
    const both = { ...WITH_NETWORK, networks: new Map(WITH_NETWORK.networks).set(OTHER_ID, NETWORK) };
    const own = leftBy(LEFT_ALIAS.replace("00000000.", "0badcafe."));
    expect(sentenceOf(() => clearPlace(both, NETWORK, own))).toBe(sentence);
  });

  const FOREIGN: [what: string, name: string, facts: Partial<Link>, fix: string][] = [
    [
      "Docker's bridge",
      "docker0",
      { kind: "bridge" },
      "start Docker with a --bip beside the overlay: without one it keeps that of its last start",
    ],
    [
      "a bridge with another program's alias",
      "br0",
      { kind: "bridge", alias: "x:network:y" },
      `${BRIDGE_AWAY}br0`,
    ],
    ["a bridge with a name like a command", "$(id)", { kind: "bridge" }, `${BRIDGE_AWAY}'$(id)'`],
    ["a card", "eth0", { kind: null }, "take the address away: ip address delete 10.244.7.1/24 dev eth0"],
  ];
  it.each(FOREIGN)("refuses %s that is somebody else's", (_, name, facts, fix) => {
    const host = hostWith([linkOf(name, { ...facts, index: 5 })], [addressAt(name, 5, "10.244.7.1/24")]);
    expect(refusal(host)).toBe(`Cannot make the network: device ${name} ${OCCUPIED} ${fix}`);
  });

  it("refuses a single address of the lease on another device, as a CNI plugin's veths have it, but not on lo", () => {
    const host = hostWith([], [addressAt("veth1", 6, "10.244.7.9/32")]);
    expect(refusal(host)).toContain("device veth1 has 10.244.7.9 of");
    const service = hostWith([], [addressAt("lo", 1, "10.244.7.9/32")]);
    expect(clearPlace(WITH_NETWORK, NETWORK, service)).toEqual({ leftovers: [], host: service });
  });
});
