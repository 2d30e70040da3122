import { describe, expect, it } from "vitest";
import { parseOwnDevices } from "../../../../src/agent/cleanup/kernel-remains.ts";

/** As `ip -j -d link show` prints a device, shortened. */
const link = (name: string, kind: string | null, ifalias: string | null, flags: string[]): object => ({
  ifname: name,
  flags,
  ...(kind === null ? {} : { linkinfo: { info_kind: kind } }),
  ...(ifalias === null ? {} : { ifalias }),
});

describe("parseOwnDevices", () => {
  it("tells a TUN that somebody reads by its carrier", () => {
    const json = [
      link("flannel0", "tun", "twill", ["NO-CARRIER", "UP"]),
      link("flannel.1", "tun", "twill", ["UP", "LOWER_UP"]),
    ];
    expect(parseOwnDevices(json)).toEqual([
      { name: "flannel0", isAttached: false },
      { name: "flannel.1", isAttached: true },
    ]);
  });

  it("takes a vxlan device with carrier for nobody's: the kernel alone has it", () => {
    expect(parseOwnDevices([link("flannel.1", "vxlan", "twill", ["UP", "LOWER_UP"])])).toEqual([
      { name: "flannel.1", isAttached: false },
    ]);
  });

  it.each([null, "", "twill2", "not twill", "Twill"])("leaves out a device with alias %j", (alias) => {
    expect(parseOwnDevices([link("flannel0", "tun", alias, ["UP"]), link("eth0", null, alias, [])])).toEqual(
      [],
    );
  });
});
