import { describe, expect, it } from "vitest";
import type { BackendContext } from "../../../src/backends/backend.ts";
import { createHostgwBackend } from "../../../src/backends/hostgw/hostgw-backend.ts";
import { backendContext } from "../../support/backend-context.ts";
import { addressOf } from "../../support/ipv4.ts";

const NO_ABORT = new AbortController().signal;

const context = (publicIp: string): BackendContext =>
  backendContext({
    options: { Type: "host-gw" },
    underlay: { publicIp: addressOf(publicIp), underlayMtu: 1400 },
  });

describe("createHostgwBackend", () => {
  it("makes a backend without device, port and overhead", async () => {
    const backend = await createHostgwBackend(context("192.0.2.1"));
    expect(backend).toMatchObject({
      type: "host-gw",
      overheadBytes: 0,
      overlayMtu: 1400,
      carriesPackets: true,
      engineName: null,
      deviceName: null,
      deviceIndex: null,
      encapsulationPort: null,
    });
    expect(await backend.advertise(NO_ABORT)).toEqual({ type: "host-gw" });
    expect(backend.identityOf({ type: "host-gw" })).toBe("");
    expect(backend.readDirectSubnets()).toEqual([]);
    expect(backend.readCounters()).toEqual({});
    expect(backend.readPeerCounters()).toEqual([]);
    expect(backend.readDatapath()).toBeNull();
    await backend.close();
  });

  it("refuses to stand behind NAT, naming both addresses and the flag", async () => {
    await expect(createHostgwBackend(context("203.0.113.5"))).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message:
        "Cannot use the host-gw backend: peers would take 203.0.113.5 (--public-ip) for their gateway, and eth0 has 192.0.2.1; drop --public-ip, or use vxlan",
    });
  });

  it("does nothing before it is open, and says so", async () => {
    const backend = await createHostgwBackend(context("192.0.2.1"));
    await expect(backend.sync([], NO_ABORT)).rejects.toThrow("it is not open");
    await expect(backend.audit(NO_ABORT)).rejects.toThrow("it is not open");
  });
});
