import { describe, expect, it } from "vitest";
import { peerObjects } from "../../../../src/backends/vxlan/kernel/peer-objects.ts";
import { vtepData } from "../../../../src/backends/vxlan/vtep.ts";
import { routeCommand } from "../../../../src/kernel/routes.ts";
import { MacAddress } from "../../../../src/net/mac.ts";
import type { Peer } from "../../../../src/peers/peer.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const NETWORK = prefixOf("10.244.0.0/16");
const BLACKHOLE = "route add blackhole 10.244.0.0/16 proto 84 metric 4278198272";

function peer(number: number): Peer {
  return {
    subnet: prefixOf(`10.244.${number}.0/24`),
    underlayIp: addressOf(`192.0.2.${number}`),
    backend: vtepData(1, new MacAddress(0x824b00000000 + number)),
    nodeId: null,
  };
}

/** Every object as one line of text. */
function linesFor(peers: readonly Peer[], directDevices: Readonly<Record<number, string>> = {}): string[] {
  const { routes, neighbours, fdb } = peerObjects(peers, {
    network: NETWORK,
    deviceName: "flannel.1",
    directDeviceOf: ({ underlayIp }) => directDevices[underlayIp.value & 255] ?? null,
  });
  return [
    ...routes.map((route) => routeCommand("add", route).join(" ")),
    ...neighbours.map(({ address, mac }) => `${address.toString()} at ${mac.toString()}`),
    ...fdb.map(({ mac, underlayIp }) => `${mac.toString()} to ${underlayIp.toString()}`),
  ];
}

describe("peerObjects", () => {
  it("is the blackhole alone without peers", () => {
    expect(linesFor([])).toEqual([BLACKHOLE]);
  });

  it("gives each peer a route, a neighbour entry and an FDB entry, as flannel does", () => {
    expect(linesFor([peer(2), peer(3)])).toEqual([
      BLACKHOLE,
      "route add unicast 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink scope global proto 84 metric 0",
      "route add unicast 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink scope global proto 84 metric 0",
      "10.244.2.0 at 82:4b:00:00:00:02",
      "10.244.3.0 at 82:4b:00:00:00:03",
      "82:4b:00:00:00:02 to 192.0.2.2",
      "82:4b:00:00:00:03 to 192.0.2.3",
    ]);
  });

  it("gives a peer that is reached directly a plain route by its device, and no entry", () => {
    expect(linesFor([peer(2), peer(3)], { 2: "eth1" })).toEqual([
      BLACKHOLE,
      "route add unicast 10.244.2.0/24 via 192.0.2.2 dev eth1 scope global proto 84 metric 0",
      "route add unicast 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink scope global proto 84 metric 0",
      "10.244.3.0 at 82:4b:00:00:00:03",
      "82:4b:00:00:00:03 to 192.0.2.3",
    ]);
  });

  it("gives nothing to a peer whose lease names no MAC", () => {
    expect(linesFor([{ ...peer(2), backend: { type: "vxlan", data: { VNI: 1 } } }])).toEqual([BLACKHOLE]);
  });
});
