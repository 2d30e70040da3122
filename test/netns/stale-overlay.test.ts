/** What is left of a run with another backend, network or peers, and who may remove it. */
import { describe, expect, it } from "vitest";
import { BackendNetwork, startTraffic } from "../support/backend-hosts.ts";
import type { BackendHost } from "../support/backend-hosts.ts";
import { openVxlan } from "../support/vxlan-hosts.ts";

const DEFAULT_ROUTE = "default via 192.0.2.254 dev eth0";
const OVERLAY_ROUTE = "10.244.0.0/16 dev flannel.1 proto 84";
const BLACKHOLE = "blackhole 10.244.0.0/16 proto 84 metric 4278198272";
const POD_ROUTE = "10.244.1.0/24 dev pod1 proto kernel scope link src 10.244.1.1";
const UNDERLAY_ROUTE = "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.1";
/** Routes of h1 when the backend is open and has no peers. */
const ROUTED = [DEFAULT_ROUTE, OVERLAY_ROUTE, BLACKHOLE, POD_ROUTE, UNDERLAY_ROUTE];

/** A pod of another host. */
const ELSEWHERE = "10.244.2.2";
/** Requests during a change, which takes some 100 ms at least: there are 800 a second. */
const MIN_TRAFFIC = 20;

/** A line of `ip` for each TUN. */
async function tuns(host: BackendHost): Promise<string[]> {
  const text = await host.namespace.execChecked(["ip", "-o", "link", "show", "type", "tun"]);
  return text.split("\n").filter((line) => line !== "");
}

describe("what an earlier run left", () => {
  it("goes at the first audit after a sync, and not before: device, routes, and of the former network too", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const udp = await h1.startBackend({ type: "udp", network: "10.99.0.0/16" });
    await udp.ask({ do: "open", subnet: "10.99.4.0/24" });
    await udp.kill();
    await h1.ip(
      "route add 10.244.9.0/24 via 192.0.2.9 dev eth0 proto 84",
      "route add 10.99.9.0/24 via 192.0.2.9 dev eth0 proto 84",
      "route add 10.244.8.0/24 via 192.0.2.8 dev eth0 proto static",
      "route add 10.98.9.0/24 via 192.0.2.9 dev eth0 proto 84",
    );
    const { backend } = await openVxlan(h1, { formerNetwork: "10.99.0.0/16" });
    const before = await h1.show();
    expect(before.filter((line) => line.includes("10.99."))).toHaveLength(4);

    expect(await backend.ask({ do: "audit" })).toBe(0);
    expect(await h1.show()).toEqual(before);
    await backend.ask({ do: "sync", peers: [] });
    expect(await backend.ask({ do: "audit" })).toBeGreaterThanOrEqual(3);

    const kept = [
      "10.244.8.0/24 via 192.0.2.8 dev eth0 proto static",
      "10.98.9.0/24 via 192.0.2.9 dev eth0 proto 84",
    ];
    expect((await h1.show()).slice(2).sort()).toEqual([...ROUTED, ...kept].sort());
    expect(await tuns(h1)).toEqual([expect.stringContaining("flannel.1")]);
    expect(await backend.ask({ do: "audit" })).toBe(0);
  });

  it("goes with the change from vxlan to udp too, with no packet in clear", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    await (await openVxlan(h1)).backend.kill();
    const traffic = startTraffic(h1.pod, ELSEWHERE);

    const udp = await h1.openBackend({ type: "udp" });
    await udp.ask({ do: "sync", peers: [] });
    await udp.ask({ do: "audit" });

    expect(await traffic.stop()).toBeGreaterThan(MIN_TRAFFIC);
    expect(await network.leaks()).toBe(0);
    expect(await tuns(h1)).toEqual([expect.stringContaining("flannel0")]);
  });

  it("stays when another agent has it, running or not", async () => {
    await using network = await BackendNetwork.create(1);
    const h1 = network.host(1);
    const other = await h1.startBackend({ type: "udp", network: "10.99.0.0/16" });
    await other.ask({ do: "open", subnet: "10.99.4.0/24" });
    const { backend } = await openVxlan(h1, { formerNetwork: "10.99.0.0/16" });
    await backend.ask({ do: "sync", peers: [] });
    await backend.ask({ do: "audit" });
    expect(await tuns(h1)).toHaveLength(2); // a process is attached to it

    await other.kill();
    await backend.kill();
    const third = await openVxlan(h1);
    await third.backend.ask({ do: "sync", peers: [] });
    await third.backend.ask({ do: "audit" });
    expect(await tuns(h1)).toHaveLength(2); // of a network that was never ours
  });
});
