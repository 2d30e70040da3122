import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findRoutedRival, gatewayBridge, ownerByFiles } from "../../../src/cni/rival-device.ts";
import { prefixOf } from "../../support/ipv4.ts";

const LEASE = prefixOf("10.244.7.0/24");
const HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";

/** /proc/net/route as a little-endian machine writes it; its tests run on such ones. */
function routes(...lines: readonly string[]): string {
  return [HEAD, ...lines.map((line) => line.replaceAll(" ", "\t").padEnd(127)), ""].join("\n");
}

const OVERLAY = "flannel0 0000F40A 00000000 0001 0 0 0 0000FFFF 0 0 0"; // 10.244.0.0/16
const BLACKHOLE = "* 0007F40A 00000000 0001 0 0 0 00FFFFFF 0 0 0"; // blackhole 10.244.7.0/24
const GATEWAY = "eth0 0007F40A 010200C0 0003 0 0 0 00FFFFFF 0 0 0"; // 10.244.7.0/24 via 192.0.2.1
const BESIDE = "br1 0008F40A 00000000 0001 0 0 0 00FFFFFF 0 0 0"; // 10.244.8.0/24
const VETH = "veth1 0507F40A 00000000 0005 0 0 0 FFFFFFFF 0 0 0"; // 10.244.7.5
const DEFAULT = "eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0";
const DOCKER0 = "docker0 0007F40A 00000000 0001 0 0 0 00FFFFFF 0 0 0"; // 10.244.7.0/24
const HALF = "br2 8007F40A 00000000 0001 0 0 0 80FFFFFF 0 0 0"; // 10.244.7.128/25

describe("gatewayBridge", () => {
  it("is the bridge that has the gateway's address, whatever its name", () => {
    expect(gatewayBridge({ type: "bridge", isGateway: true })).toBe("cni0");
    expect(gatewayBridge({ type: "bridge", bridge: "cni1", isDefaultGateway: true })).toBe("cni1");
  });

  it("is none without a gateway, or a bridge", () => {
    expect(gatewayBridge({ type: "bridge", isGateway: false })).toBeNull();
    expect(gatewayBridge({ type: "macvlan", isGateway: true })).toBeNull();
  });
});

describe("findRoutedRival", () => {
  function rivalOf(device: string, destination: string): unknown {
    return { device, claim: { kind: "route", destination: prefixOf(destination) } };
  }

  it("finds the device that has the lease or a part of it", () => {
    expect(findRoutedRival(LEASE, "cni0", routes(DEFAULT, OVERLAY, DOCKER0))).toEqual(
      rivalOf("docker0", "10.244.7.0/24"),
    );
    expect(findRoutedRival(LEASE, "cni0", routes(OVERLAY, HALF))).toEqual(rivalOf("br2", "10.244.7.128/25"));
  });

  it("finds neither the bridge itself, nor routes that lead elsewhere or to one container", () => {
    expect(findRoutedRival(LEASE, "docker0", routes(DOCKER0))).toBeNull();
    expect(findRoutedRival(LEASE, "docker0", routes(DOCKER0.replace("docker0", "docker0.100")))).toBeNull();
    expect(findRoutedRival(LEASE, "docker0", routes(DOCKER0.replace("docker0", "docker01")))?.device).toBe(
      "docker01",
    );
    const others = routes(DEFAULT, OVERLAY, BLACKHOLE, GATEWAY, BESIDE, VETH);
    expect(findRoutedRival(LEASE, "cni0", others)).toBeNull();
    expect(findRoutedRival(LEASE, "cni0", `${HEAD}\n`)).toBeNull();
  });
});

describe("ownerByFiles", () => {
  let devices: string;
  beforeEach(async () => {
    devices = await mkdtemp(join(tmpdir(), "twill-devices-"));
    await mkdir(join(devices, "cni1", "bridge"), { recursive: true });
    await mkdir(join(devices, "eth0.7"));
  });
  afterEach(() => rm(devices, { recursive: true }));

  it("tells a bridge from what may be a network card, and neither where the device is not shown", () => {
    expect(["cni1", "eth0.7", "eth1"].map((device) => ownerByFiles(device, devices))).toEqual([
      { kind: "bridge" },
      { kind: "device" },
      { kind: "unknown" },
    ]);
  });
});
