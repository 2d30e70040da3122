/** Devices that the kernel did not delete when they should have gone: they go later, and keep nobody from anything. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { BRIDGE, CREATE_NETWORK, IDS, PluginBench, VETH } from "./plugin-bench.ts";
import { ENDPOINT_ID, NETWORK_ID, OTHER_ID } from "./samples.ts";

let bench: PluginBench;
beforeEach(async () => {
  bench = await PluginBench.create();
});
afterEach(() => bench.close());

describe("what Docker gives back while the kernel refuses", () => {
  beforeEach(async () => {
    await bench.plugin.start();
    await bench.makeNetwork();
    await bench.ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    await bench.ask("NetworkDriver.Join", IDS);
    bench.newsOfNetworks = 0;
    bench.kernel.failure = new OverlayError("ERR_KERNEL_FAILED", "no");
  });

  it("is given back: Docker does not name it again, and its devices go at a later look", async () => {
    await bench.ask("NetworkDriver.DeleteEndpoint", IDS);
    expect([bench.onDisk().endpoints, bench.newsOfNetworks]).toEqual([[], 1]);
    await bench.ask("NetworkDriver.DeleteNetwork", IDS);
    expect([bench.onDisk().networks, bench.newsOfNetworks]).toEqual([[], 2]);
    expect([...bench.kernel.devices].sort()).toEqual([BRIDGE, VETH]);
    expect((await bench.plugin.repair()).failures).toEqual([bench.kernel.failure]);
    bench.kernel.failure = null;
    await bench.plugin.repair();
    expect([...bench.kernel.devices]).toEqual([]);
    await bench.makeNetwork();
    expect(bench.newsOfNetworks).toBe(3);
  });
});

describe("devices that could not be deleted when Docker gave them back", () => {
  beforeEach(async () => await bench.plugin.start());

  it("go all at once, in one run of ip", async () => {
    await bench.makeNetwork();
    const ids = Array.from({ length: 20 }, (_, i) => ({
      ...{ NetworkID: NETWORK_ID, EndpointID: `${100_000_000_000 + i}`.padEnd(64, "0") },
      Interface: { Address: `10.244.7.${10 + i}/24` },
    }));
    for (const one of ids) {
      await bench.ask("NetworkDriver.CreateEndpoint", one);
      await bench.ask("NetworkDriver.Join", one);
    }
    bench.kernel.failure = new OverlayError("ERR_KERNEL_FAILED", "no");
    for (const one of ids) await bench.ask("NetworkDriver.DeleteEndpoint", one);
    expect(bench.kernel.devices.size).toBe(1 + ids.length);
    bench.kernel.failure = null;
    bench.kernel.runs = 0;
    await bench.plugin.repair();
    expect([...bench.kernel.devices]).toEqual([BRIDGE]);
    expect(bench.kernel.runs).toBeLessThanOrEqual(5); // two looks, bridge's repair, and the batch
  });

  it("keep no bridge from being repaired", async () => {
    await bench.makeNetwork();
    await bench.ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    await bench.ask("NetworkDriver.Join", IDS);
    bench.kernel.stuck.add(VETH);
    await bench.ask("NetworkDriver.DeleteEndpoint", IDS);
    bench.kernel.devices.delete(BRIDGE);
    expect(await bench.plugin.repair()).toMatchObject({ failures: [{ message: "busy" }] });
    expect([...bench.kernel.devices].sort()).toEqual([BRIDGE, VETH]);
    expect(bench.onDisk().endpoints).toEqual([]);
  });

  it("stay when Docker has made the same endpoint again", async () => {
    await bench.makeNetwork();
    const body = { ...IDS, Interface: { Address: "10.244.7.2/24" } };
    await bench.ask("NetworkDriver.CreateEndpoint", body);
    await bench.ask("NetworkDriver.Join", IDS);
    bench.kernel.stuck.add(VETH);
    await bench.ask("NetworkDriver.DeleteEndpoint", IDS);
    bench.kernel.stuck.clear();
    await bench.ask("NetworkDriver.CreateEndpoint", body);
    await bench.ask("NetworkDriver.Join", IDS);
    await bench.plugin.repair();
    expect([...bench.kernel.devices].sort()).toEqual([BRIDGE, VETH]);
  });
});

describe("a device of an earlier run that could not be deleted at the start", () => {
  it("goes at a later look", async () => {
    bench.kernel.devices.add(VETH);
    bench.kernel.aliases.set(VETH, `twill-docker:${bench.plugin.state.instanceId}:endpoint:${ENDPOINT_ID}`);
    bench.kernel.stuck.add(VETH);
    await bench.plugin.start();
    expect(await bench.plugin.repair()).toMatchObject({ failures: [{ message: "busy" }] });
    expect([...bench.kernel.devices]).toEqual([VETH]);
    bench.kernel.stuck.clear();
    expect(await bench.plugin.repair()).toMatchObject({ failures: [] });
    expect([...bench.kernel.devices]).toEqual([]);
    const looks = bench.kernel.looks;
    await bench.plugin.repair();
    expect(bench.kernel.looks).toBe(looks); // none is looked for any more
  });
});

describe("what is left of a network that could neither be made nor removed", () => {
  beforeEach(async () => {
    await bench.ask("IpamDriver.RequestPool", {});
    bench.kernel.failure = new OverlayError("ERR_KERNEL_FAILED", "no"); // after the bridge was made
    await expect(bench.ask("NetworkDriver.CreateNetwork", CREATE_NETWORK)).rejects.toThrow("no");
    expect([bench.onDisk().networks, [...bench.kernel.devices], bench.newsOfNetworks]).toEqual([
      [],
      [BRIDGE],
      1,
    ]);
    bench.kernel.failure = null;
  });

  it("goes at the next look", async () => {
    await bench.plugin.repair();
    expect([...bench.kernel.devices]).toEqual([]);
  });

  it("goes before Docker is given a pool, which it would refuse beside that", async () => {
    await bench.ask("IpamDriver.RequestPool", {});
    expect([...bench.kernel.devices]).toEqual([]);
  });

  it("is not in the way of the next network", async () => {
    await bench.ask("NetworkDriver.CreateNetwork", { ...CREATE_NETWORK, NetworkID: OTHER_ID });
    expect([...bench.kernel.devices]).toEqual(["tw-b2b2b2b2b2b2"]);
  });
});
