import { describe, expect, it } from "vitest";
import type { Backend } from "../../../../src/backends/backend.ts";
import { parseVxlanOptions } from "../../../../src/backends/vxlan/vxlan-options.ts";
import { createUserVxlanBackend } from "../../../../src/backends/vxlan/user/user-vxlan-backend.ts";
import type { JsonValue } from "../../../../src/subnet-lease/lease.ts";
import { backendContext } from "../../../support/backend-context.ts";

const MAC = "5e:12:34:56:78:9a";

function create(options: Readonly<Record<string, JsonValue>>, underlayMtu = 1500): Promise<Backend> {
  const context = backendContext({ options, underlay: { underlayMtu } });
  return createUserVxlanBackend(context, parseVxlanOptions(options));
}

describe("createUserVxlanBackend", () => {
  it("has flannel's device, port and MTU", async () => {
    expect(await create({})).toMatchObject({
      type: "vxlan",
      deviceName: "flannel.1",
      encapsulationPort: 8472,
      isDirectRouting: false,
      overheadBytes: 50,
      overlayMtu: 1450,
      carriesPackets: true,
    });
    expect(await create({ VNI: 9_999_999, Port: 4789, DirectRouting: true })).toMatchObject({
      deviceName: "flannel.9999999",
      encapsulationPort: 4789,
      isDirectRouting: true,
    });
  });

  it.each([
    [1500, 1400, 1350],
    [1500, 1500, 1450],
    [1500, 9000, 1450],
    [9000, 0, 8950],
    [1500, 118, 68],
  ])(
    "leaves of an interface with %d bytes and MTU %d an overlay MTU of %d",
    async (underlayMtu, MTU, overlayMtu) => {
      expect(await create({ MTU }, underlayMtu)).toMatchObject({ overlayMtu });
    },
  );

  it("refuses an interface that leaves less than an IPv4 link must carry", async () => {
    await expect(create({}, 117)).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  });

  it("knows a peer by its MAC, and none without one", async () => {
    const backend = await create({});
    expect(backend.identityOf({ type: "vxlan", data: { VNI: 1, VtepMAC: MAC.toUpperCase() } })).toBe(MAC);
    expect(backend.identityOf({ type: "vxlan", data: { VNI: 1 } })).toBeNull();
    expect(backend.identityOf({ type: "vxlan" })).toBeNull();
  });
});
