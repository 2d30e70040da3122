import { describe, expect, it } from "vitest";
import { createAllocBackend } from "../../../src/backends/alloc/alloc-backend.ts";
import { backendContext } from "../../support/backend-context.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";

const NO_ABORT = new AbortController().signal;

describe("createAllocBackend", () => {
  it("makes a backend that leases as udp and carries nothing, behind NAT too", async () => {
    const backend = await createAllocBackend(
      backendContext({
        options: { Type: "alloc" },
        underlay: { publicIp: addressOf("203.0.113.5"), underlayMtu: 1400 },
      }),
    );
    expect(backend).toMatchObject({
      type: "alloc",
      overheadBytes: 0,
      overlayMtu: 1400,
      carriesPackets: false,
      engineName: null,
      deviceName: null,
      deviceIndex: null,
      encapsulationPort: null,
    });
    expect(await backend.advertise(NO_ABORT)).toEqual({ type: "" });
    expect(backend.identityOf({ type: "" })).toBe("");
    expect(backend.readDirectSubnets()).toEqual([]);
    expect(backend.readCounters()).toEqual({});
    expect(backend.readPeerCounters()).toEqual([]);
    expect(backend.readDatapath()).toBeNull();
    await backend.open(prefixOf("10.244.7.0/24"), NO_ABORT);
    expect(await backend.audit(NO_ABORT)).toBe(0);
    await backend.close();
  });
});
