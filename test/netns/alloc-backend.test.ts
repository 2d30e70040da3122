import { describe, expect, it } from "vitest";
import { BackendNetwork } from "../support/backend-hosts.ts";

const ALLOC = { type: "alloc" };
const PEERS = [{ subnet: "10.244.2.0/24", underlayIp: "192.0.2.2" }];

describe("an alloc backend", () => {
  it("makes nothing in the kernel", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const before = await h1.show();

    const backend = await h1.openBackend(ALLOC);
    await backend.ask({ do: "sync", peers: PEERS });
    expect(await backend.ask({ do: "audit" })).toBe(0);

    expect(await h1.show()).toEqual(before);
  });

  it("removes what a udp backend left, once all peers are known, and nothing of others", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await h1.ip("route add 10.244.5.0/24 via 192.0.2.254 dev eth0 proto static");
    const before = await h1.show();
    await (await h1.openBackend({ type: "udp" })).kill();
    const left = await h1.show();
    expect(left).toContain("blackhole 10.244.0.0/16 proto 84 metric 4278198272");

    const backend = await h1.openBackend(ALLOC);
    expect(await backend.ask({ do: "audit" })).toBe(0);
    expect(await h1.show()).toEqual(left);
    await backend.ask({ do: "sync", peers: PEERS });
    expect(await backend.ask({ do: "audit" })).toBeGreaterThan(0);

    expect(await h1.show()).toEqual(before);
    expect(await backend.ask({ do: "audit" })).toBe(0);
  });
});
