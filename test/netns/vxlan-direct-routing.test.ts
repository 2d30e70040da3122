/*  pod 10.244.N.2 -- [host hN: TUN flannel.1, packet engine] eth0 192.0.2.N --[br0]-- router 192.0.2.254  */
import { describe, expect, it } from "vitest";
import { BackendNetwork, ping } from "../support/backend-hosts.ts";
import type { BackendProcess } from "../support/backend-hosts.ts";
import { eventually } from "../support/eventually.ts";
import { introduceAll, openVxlan } from "../support/vxlan-hosts.ts";

const DEFAULT_ROUTE = "default via 192.0.2.254 dev eth0";
const OVERLAY_ROUTE = "10.244.0.0/16 dev flannel.1 proto 84";
const BLACKHOLE = "blackhole 10.244.0.0/16 proto 84 metric 4278198272";
const POD_ROUTE = "10.244.1.0/24 dev pod1 proto kernel scope link src 10.244.1.1";
const UNDERLAY_ROUTE = "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1";
/** Routes of h1 when the backend is open and has no peers. */
const ROUTED = [DEFAULT_ROUTE, OVERLAY_ROUTE, BLACKHOLE, POD_ROUTE, UNDERLAY_ROUTE];
/** Of h1, to the pods of h2. */
const DIRECT_ROUTE = "10.244.2.0/24 via 192.0.2.2 dev eth0 proto 84";

/** A pod of h2. */
const ELSEWHERE = "10.244.2.2";
const NO_ANSWER = { isAnswered: false };
const PINGS = 20;
/** Of a VTEP that does not exist. */
const FOREIGN_MAC = "5e:12:34:56:78:9a";

/** The counters that are not zero. */
async function nonZero(backend: BackendProcess): Promise<Record<string, number>> {
  return Object.fromEntries(Object.entries(await backend.counters()).filter(([, value]) => value !== 0));
}

describe("direct routing of the vxlan backend in user space", () => {
  it("sends packets as they are to a peer that is on-link, and encapsulates them to any other", async () => {
    await using network = await BackendNetwork.create(2);
    const config = { DirectRouting: true };
    const n1 = await openVxlan(network.host(1), { config });
    const n2 = await openVxlan(network.host(2), { config });
    const offLink = {
      subnet: "10.244.3.0/24",
      underlayIp: "198.51.100.3",
      backend: { type: "vxlan", data: { VNI: 1, VtepMAC: FOREIGN_MAC } },
    };
    await n1.backend.ask({ do: "sync", peers: [n2.peer, offLink] });
    await n2.backend.ask({ do: "sync", peers: [n1.peer] });

    expect(await n1.host.show()).toContain(DIRECT_ROUTE);
    expect((await n1.host.show()).join("\n")).not.toContain("10.244.3.0");
    expect(await n1.backend.ask({ do: "readDirectSubnets" })).toEqual(["10.244.2.0/24"]);
    await ping(n1.host.pod, ELSEWHERE, { count: PINGS, isAnswered: false });
    await eventually(async () => expect(await network.leaks()).toBe(2 * PINGS)); // as they are, both ways
    expect(await nonZero(n1.backend)).toEqual({});
    await ping(n1.host.pod, "10.244.3.2", NO_ANSWER);
    await eventually(async () => expect(await nonZero(n1.backend)).toMatchObject({ encapSent: 3 }));
    expect(await network.leaks()).toBe(2 * PINGS);
  });

  it("follows the underlay at an audit: a gateway on the way ends it, and its end begins it", async () => {
    await using network = await BackendNetwork.create(2);
    const config = { DirectRouting: true };
    const n1 = await openVxlan(network.host(1), { config });
    const n2 = await openVxlan(network.host(2), { config });
    await introduceAll(n1, n2);

    await n1.host.ip("route add 192.0.2.2/32 via 192.0.2.254 dev eth0");
    await introduceAll(n1, n2);
    expect(await n1.host.show()).toContain(DIRECT_ROUTE); // a sync does not ask again
    expect(await n1.backend.ask({ do: "audit" })).toBeGreaterThanOrEqual(1);

    expect(await n1.host.show()).not.toContain(DIRECT_ROUTE);
    expect(await n1.backend.ask({ do: "readDirectSubnets" })).toEqual([]);
    await n1.host.ip("route del 192.0.2.2/32 via 192.0.2.254 dev eth0");
    expect(await n1.backend.ask({ do: "audit" })).toBeGreaterThanOrEqual(1);
    expect(await n1.host.show()).toContain(DIRECT_ROUTE);
    expect(await n1.backend.ask({ do: "audit" })).toBe(0);
  });

  it("puts back a route that was deleted, and removes that of a peer that is gone", async () => {
    await using network = await BackendNetwork.create(2);
    const config = { DirectRouting: true };
    const n1 = await openVxlan(network.host(1), { config });
    const n2 = await openVxlan(network.host(2), { config });
    await introduceAll(n1, n2);

    await n1.host.ip("route del 10.244.2.0/24");
    expect(await n1.backend.ask({ do: "audit" })).toBe(1);
    expect(await n1.host.show()).toContain(DIRECT_ROUTE);

    await n1.backend.ask({ do: "sync", peers: [] });
    expect((await n1.host.show()).slice(2)).toEqual(ROUTED);
  });
});
