/** Peers that are on-link only later: the route comes back, and the guard, which would drop the packets, hears of it. */
import { describe, expect, it } from "vitest";
import { createLab } from "../support/lab.ts";
import type { LabHost } from "../support/lab.ts";
import { eventually } from "../support/eventually.ts";

const PROBES = 10;

/** The guard's set of subnets that packets may leave for in clear. */
async function direct(host: LabHost, family: string): Promise<string> {
  const set = [family, "twill-10.244.0.0-16", "direct_subnets"];
  return await host.namespace.execChecked(["nft", "list", "set", ...set]);
}

describe.each([
  ["host-gw", { Type: "host-gw" }, "netdev"],
  ["vxlan with direct routing", { Type: "vxlan", DirectRouting: true }, "ip"],
])("an agent of %s that starts while the underlay is down", (_name, backend, family) => {
  it("reaches the others without encapsulation when it is up", async () => {
    await using lab = await createLab({
      hosts: 2,
      networkConfig: { Backend: backend },
      agentFlags: ["--iface=eth0"],
    });
    const [host, from, to] = [lab.host(0), lab.pod(0), lab.pod(1)];
    host.agent.kill("SIGKILL");
    await host.agent.exited;
    await lab.etcd.stop(); // nothing but the kernel tells the agent that anything has changed
    await host.namespace.ip(["link set eth0 down"]);
    await host.startAgent();
    await eventually(async () => !(await direct(host, family)).includes("elements")); // it has seen that nobody is on-link

    await host.namespace.ip(["link set eth0 up", "route replace default via 192.0.2.254"]);
    await eventually(async () => (await from.ping(to.address, { count: 1, lingerMs: 50 })).lost === 0);
    await eventually(async () => (await direct(host, family)).includes("elements"));
    expect(await from.ping(to.address, { count: PROBES, intervalMs: 10 })).toMatchObject({ lost: 0 });
  });
});
