import { describe, expect, it } from "vitest";
import type { BackendContext } from "../../../src/backends/backend.ts";
import { createBackend } from "../../../src/backends/backends.ts";
import { backendContext } from "../../support/backend-context.ts";
import { addressOf } from "../../support/ipv4.ts";

const context = (interfaceIp: string, publicIp: string): BackendContext =>
  backendContext({
    options: { Type: "udp" },
    underlay: { interfaceIp: addressOf(interfaceIp), publicIp: addressOf(publicIp) },
  });
const CONTEXT = context("192.0.2.1", "192.0.2.1");

describe("createBackend", () => {
  it.each(["udp", "UDP"])("makes the udp backend for type %s", async (type) => {
    const backend = await createBackend(type, CONTEXT);
    expect(backend).toMatchObject({ type: "udp", overheadBytes: 28, engineName: "dgram" });
    expect(backend.readCounters()).toEqual({});
    expect(backend.readPeerCounters()).toEqual([]);
    expect(backend.readDatapath()).toBeNull();
    await backend.close();
  });

  it.each<[string, Partial<BackendContext>, object]>([
    ["vxlan", {}, { type: "vxlan", overheadBytes: 50, overlayMtu: 1450, engineName: "dgram" }],
    [
      "VXLAN",
      { carrier: "kernel" },
      { type: "vxlan", overheadBytes: 50, overlayMtu: 1450, engineName: null },
    ],
    ["host-gw", {}, { type: "host-gw", overheadBytes: 0, overlayMtu: 1500, engineName: null }],
    ["Alloc", {}, { type: "alloc", engineName: null }],
  ])("makes the backend of type %s with %j", async (type, differences, properties) => {
    expect(await createBackend(type, { ...CONTEXT, ...differences })).toMatchObject(properties);
  });

  it.each([
    ["", "Backend in the network config has no Type"],
    ["WireGuard", `no support yet for flannel's type "WireGuard"`],
    ["vxlna\n", `unknown type "vxlna\\u000a"`],
    ["__proto__", `unknown type "__proto__"`],
  ])("refuses type %j", async (type, reason) => {
    await expect(createBackend(type, CONTEXT)).rejects.toMatchObject({
      code: "ERR_BACKEND_UNKNOWN",
      message: `Cannot choose a backend: ${reason}, supported: udp, vxlan, host-gw, alloc`,
    });
  });

  it.each([
    ["10.244.9.9", "192.0.2.1", "10.244.9.9"],
    ["192.0.2.1", "10.244.255.255", "10.244.255.255"],
  ])("refuses a network that holds the underlay address %s or %s", async (interfaceIp, publicIp, named) => {
    await expect(createBackend("udp", context(interfaceIp, publicIp))).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: `Cannot use overlay network 10.244.0.0/16: it contains the underlay address ${named}`,
    });
  });

  it("hands the options to the backend, which refuses what it cannot use", async () => {
    await expect(createBackend("udp", { ...CONTEXT, options: { Port: "8285" } })).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
    });
  });
});
