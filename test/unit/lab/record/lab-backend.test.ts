import { describe, expect, it } from "vitest";
import { labBackendOf } from "../../../../src/lab/record/lab-backend.ts";

describe("labBackendOf", () => {
  it.each([
    [undefined, "udp", "flannel0", false],
    [{}, "udp", "flannel0", false],
    [{ Backend: { Type: "udp" } }, "udp", "flannel0", false],
    [{ Backend: { Type: "VXLAN" } }, "vxlan", "flannel.1", false],
    [{ backend: { type: "vxlan", vni: 42 } }, "vxlan", "flannel.42", false],
    [{ Backend: { Type: "vxlan", DirectRouting: true } }, "vxlan", "flannel.1", true],
    [{ Backend: { Type: "vxlan", DirectRouting: false } }, "vxlan", "flannel.1", false],
    [{ Backend: { Type: "host-gw" } }, "host-gw", null, true],
    [{ Backend: { Type: "alloc" } }, "alloc", null, false],
    [{ Backend: {} }, "", null, false],
    [{ Backend: 7 }, "", null, false],
  ])("reads %j as %s by %s, in clear: %s", (networkConfig, type, deviceName, isInClear) => {
    expect(labBackendOf(networkConfig)).toEqual({ type, deviceName, isInClear });
  });
});
