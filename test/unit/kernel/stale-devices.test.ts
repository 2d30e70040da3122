import { describe, expect, it } from "vitest";
import { findStaleDevices } from "../../../src/kernel/stale-devices.ts";
import type { OverlayUse } from "../../../src/kernel/stale-devices.ts";
import { prefixOf } from "../../support/ipv4.ts";

const USE: OverlayUse = {
  deviceName: "flannel.1",
  network: prefixOf("10.244.0.0/16"),
  formerNetwork: prefixOf("10.99.0.0/16"),
};
const FREE = ["NO-CARRIER", "POINTOPOINT", "UP"];

interface Given {
  readonly name?: string;
  readonly alias?: string;
  readonly flags?: readonly string[];
  readonly addresses?: readonly string[];
}

/** As `ip -j -d address show` prints it. */
function link({
  name = "flannel0",
  alias = "twill",
  flags = FREE,
  addresses = ["10.244.1.0"],
}: Given): object {
  return {
    ifindex: 7,
    ifname: name,
    flags,
    ...(alias === "" ? {} : { ifalias: alias }),
    addr_info: addresses.map((local) => ({ family: "inet", local, prefixlen: 32, scope: "global" })),
  };
}
const staleTuns = (tun: Given): string[] => findStaleDevices([{ ...link(tun) }], [], USE);
const staleVxlans = (vxlan: Given): string[] => findStaleDevices([], [{ ...link(vxlan) }], USE);

describe("findStaleDevices", () => {
  it("finds a TUN of ours that nobody is attached to, and a vxlan device of ours", () => {
    expect(staleTuns({})).toEqual(["flannel0"]);
    expect(staleTuns({ addresses: ["10.99.4.0"] })).toEqual(["flannel0"]);
    expect(staleTuns({ addresses: [] })).toEqual(["flannel0"]);
    expect(staleTuns({ flags: ["POINTOPOINT", "UP"] })).toEqual(["flannel0"]); // just let go
    expect(staleVxlans({ name: "flannel.7", flags: ["BROADCAST", "UP", "LOWER_UP"] })).toEqual(["flannel.7"]);
  });

  it.each<[string, Given]>([
    ["in use", { name: "flannel.1" }],
    ["without our mark", { alias: "" }],
    ["with another mark", { alias: "mine" }],
    ["with an address of another network", { addresses: ["10.244.1.0", "10.98.1.0"] }],
  ])("leaves a device %s", (_what, device) => {
    expect(staleTuns(device)).toEqual([]);
    expect(staleVxlans(device)).toEqual([]);
  });

  it.each<[string, Given]>([
    ["that a process is attached to", { flags: ["POINTOPOINT", "UP", "LOWER_UP"] }],
    ["that a process was just attached to", { flags: ["NO-CARRIER", "POINTOPOINT", "UP", "LOWER_UP"] }],
    ["that is set down", { flags: ["POINTOPOINT"] }],
  ])("leaves a TUN %s", (_what, device) => {
    expect(staleTuns(device)).toEqual([]);
  });

  it("finds all of ours where no device is in use and there is no former network", () => {
    const use: OverlayUse = { ...USE, deviceName: null, formerNetwork: null };
    const tuns = [
      { ...link({}) },
      { ...link({ name: "flannel.1" }) },
      { ...link({ addresses: ["10.99.4.0"] }) },
    ];
    expect(findStaleDevices(tuns, [], use)).toEqual(["flannel0", "flannel.1"]);
  });
});
