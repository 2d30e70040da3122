import { pino } from "pino";
import { describe, expect, it } from "vitest";
import type { WantedDevice } from "../../../../src/backends/vxlan/kernel/device-plan.ts";
import { ensureDevice } from "../../../../src/backends/vxlan/kernel/vxlan-device.ts";
import type { IpCommand } from "../../../../src/kernel/ip-command.ts";
import { MacAddress } from "../../../../src/net/mac.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const NO_ABORT = new AbortController().signal;
const log = pino({ level: "silent" });

const WANTED: WantedDevice = {
  deviceName: "flannel.1",
  vni: 1,
  port: 8472,
  lowerDevice: "eth0",
  local: addressOf("192.0.2.1"),
  isLearning: false,
  hasGroupPolicy: false,
  overlayMtu: 1450,
  vtepMac: new MacAddress(0x824b00000001),
  address: addressOf("10.244.1.0"),
  network: prefixOf("10.244.0.0/16"),
  formerNetwork: null,
};

/** An `ip` that always answers the same, whatever was applied. */
function stubbornIp(address: unknown, refusal: string | null): IpCommand {
  return {
    read: (args) => Promise.resolve(args.includes("address") ? address : []),
    readBatch: () => Promise.resolve([]),
    apply: () =>
      refusal === null ? Promise.resolve() : Promise.reject(new OverlayError("ERR_KERNEL_FAILED", refusal)),
  };
}

describe("ensureDevice", () => {
  it("gives up, and names what is undone, when somebody undoes every change", async () => {
    const data = { id: 1, port: 8472, link: "eth0", local: "192.0.2.1", learning: false };
    const device = {
      ...{ ifindex: 4, ifname: "flannel.1", flags: ["UP"], mtu: 1450, ifalias: "twill" },
      address: "5e:00:00:00:00:01", // as a MACAddressPolicy of systemd would have it
      linkinfo: { info_kind: "vxlan", info_data: data },
      addr_info: [{ family: "inet", local: "10.244.1.0", prefixlen: 32, scope: "global" }],
    };

    await expect(
      ensureDevice({ ip: stubbornIp([device], null), log }, WANTED, NO_ABORT),
    ).rejects.toMatchObject({
      code: "ERR_KERNEL_FAILED",
      message:
        'Cannot keep vxlan device flannel.1 as it must be: somebody undoes "ip link set dev flannel.1 address 82:4b:00:00:00:01", tell network managers to leave the device alone',
    });
  });

  it.each(["Error: Unknown device type.", "RTNETLINK answers: Operation not supported"])(
    "says what to do when the kernel has no vxlan: %s",
    async (text) => {
      const refusal = `Cannot change the network configuration: ip link add flannel.1: ${text}`;
      await expect(ensureDevice({ ip: withoutDevice(refusal), log }, WANTED, NO_ABORT)).rejects.toMatchObject(
        {
          code: "ERR_KERNEL_FAILED",
          message:
            "Cannot make a vxlan device: this kernel has none, load the module vxlan or use --datapath=user",
        },
      );
    },
  );
});

/** No device, a blackhole route, and a kernel that refuses to make one. */
function withoutDevice(refusal: string): IpCommand {
  const blackhole = { type: "6", dst: "10.244.0.0/16", protocol: "84", metric: 4278198272 };
  const ip = stubbornIp([], refusal);
  const apply: IpCommand["apply"] = (commands, signal) =>
    commands.length === 0 ? Promise.resolve() : ip.apply(commands, signal);
  return {
    ...ip,
    apply,
    read: (args) => Promise.resolve(args.includes("address") ? [] : [blackhole]),
  };
}
