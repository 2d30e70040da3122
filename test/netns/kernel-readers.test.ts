import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readFdb } from "../../src/kernel/fdb.ts";
import { OWN_LINK_ALIAS, parseLinks, planLink, readDeviceJson } from "../../src/kernel/links.ts";
import type { Link } from "../../src/kernel/links.ts";
import { readNeighbours } from "../../src/kernel/neighbours.ts";
import { readOnLink } from "../../src/kernel/on-link.ts";
import { Ipv4Address } from "../../src/net/ipv4.ts";
import { addressOf } from "../support/ipv4.ts";
import { macOf } from "../support/mac.ts";
import { DEVICE, ObjectPlace } from "../support/object-place.ts";

const NO_ABORT = new AbortController().signal;

let place: ObjectPlace;

beforeEach(async () => {
  place = await ObjectPlace.create();
});
afterEach(async () => {
  await place[Symbol.asyncDispose]();
});

describe("readNeighbours and readFdb", () => {
  it("read entries of every kind", async () => {
    await place.ip(
      "neigh replace 10.244.2.0 lladdr 02:00:00:00:00:02 dev flannel.1 nud permanent",
      "neigh replace 10.244.3.0 lladdr 02:00:00:00:00:03 dev flannel.1 nud noarp",
      "neigh replace 192.0.2.9 lladdr 02:00:00:00:00:09 dev u0 nud permanent",
    );
    await place.bridge(
      "fdb replace 02:00:00:00:00:02 dev flannel.1 self permanent dst 192.0.2.2 vni 7",
      "fdb add 02:00:00:00:00:05 dev flannel.1 self static dst 192.0.2.5",
    );
    const neighbours = await readNeighbours(place.commands.ip, DEVICE, NO_ABORT);
    expect(neighbours.sort((a, b) => a.address.value - b.address.value)).toEqual([
      { address: addressOf("10.244.2.0"), mac: macOf("02:00:00:00:00:02"), isPermanent: true },
      { address: addressOf("10.244.3.0"), mac: macOf("02:00:00:00:00:03"), isPermanent: false },
    ]);
    const fdb = await readFdb(place.commands.bridge, DEVICE, NO_ABORT);
    expect(fdb.sort((a, b) => a.mac.value - b.mac.value)).toEqual([
      {
        mac: macOf("02:00:00:00:00:02"),
        underlayIp: addressOf("192.0.2.2"),
        isPermanent: true,
        hasExtras: true,
      },
      {
        mac: macOf("02:00:00:00:00:05"),
        underlayIp: addressOf("192.0.2.5"),
        isPermanent: false,
        hasExtras: false,
      },
    ]);
  });
});

describe("readOnLink", () => {
  it("asks the kernel's routes", async () => {
    await place.ip(
      "link set lo up",
      "route add default via 192.0.2.254",
      "route add 198.51.100.0/24 dev p0",
      "route add 198.51.100.128/25 via 192.0.2.7",
      "route add unreachable 203.0.113.0/24",
    );
    const asked = [
      "192.0.2.7",
      "192.0.2.1",
      "192.0.2.255",
      "198.51.100.1",
      "198.51.100.129",
      "203.0.113.1",
      "8.0.0.1",
    ];
    const devices = await readOnLink(place.commands.ip, asked.map(addressOf), NO_ABORT);
    expect([...devices].map(([value, name]) => [new Ipv4Address(value).toString(), name])).toEqual([
      ["192.0.2.7", "u0"],
      ["198.51.100.1", "p0"],
    ]);
    expect(await readOnLink(place.commands.ip, [], NO_ABORT)).toEqual(new Map());
  });
});

describe("planLink", () => {
  it("gives a vxlan device that is up another MAC and MTU, and our alias", async () => {
    const mac = macOf("02:00:00:00:00:0a");
    const read = async (): Promise<Link | undefined> =>
      parseLinks(await readDeviceJson(place.commands.ip, DEVICE, NO_ABORT))[0];
    const plan = async (): Promise<readonly (readonly string[])[]> => {
      const link = await read();
      return link === undefined
        ? expect.unreachable("the device is there")
        : planLink({ mtu: 1400, mac }, link);
    };
    await place.commands.ip.apply(await plan(), NO_ABORT);
    expect(await read()).toMatchObject({
      ...{ kind: "vxlan", mtu: 1400, mac, alias: OWN_LINK_ALIAS, isUp: true },
    });
    expect(await plan()).toEqual([]);
    await place.ip(`link set ${DEVICE} down`);
    expect(await plan()).toEqual([["link", "set", "dev", DEVICE, "up"]]);
  });
});
