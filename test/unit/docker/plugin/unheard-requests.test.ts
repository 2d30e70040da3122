/** Requests whose answer nobody hears any more, and those that wait: what of them stays, on disk and in the kernel. */
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_TURNS } from "../../../../src/docker/plugin/plugin.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { BRIDGE, CREATE_NETWORK, IDS, POOL_ID, PluginBench, SUBNET_FILE } from "./plugin-bench.ts";
import { ENDPOINT_ID, NETWORK_ID, OTHER_ENDPOINT_ID } from "./samples.ts";

let bench: PluginBench;
beforeEach(async () => {
  bench = await PluginBench.create();
});
afterEach(() => bench.close());

describe("a request whose answer nobody hears", () => {
  it("gives no address, and the one that is named to who asks for it next", async () => {
    await bench.makeNetwork();
    const request = { PoolID: POOL_ID, Address: "10.244.7.77" };
    await bench.askAndGoInTurn("IpamDriver.RequestAddress", request);
    expect(bench.onDisk().held).toEqual([]);
    expect(bench.lines).toContainEqual({
      level: "warn",
      method: "IpamDriver.RequestAddress",
      isTakenBack: true,
      msg: "Request finished after its answer",
    });
    expect((await bench.ask("IpamDriver.RequestAddress", request)).Address).toBe("10.244.7.77/24");
  });

  it("takes no number of a grant a second time: a search for what was lost may know the first", async () => {
    await bench.makeNetwork();
    await bench.askAndGoInTurn("IpamDriver.RequestAddress", { PoolID: POOL_ID });
    await bench.ask("IpamDriver.RequestAddress", { PoolID: POOL_ID });
    expect([...(bench.plugin.state.pools.get(POOL_ID)?.held.values() ?? [])]).toEqual([2]);
  });

  it("makes no endpoint, and leaves one that was there before", async () => {
    await bench.makeNetwork();
    const body = { ...IDS, Interface: { Address: "10.244.7.2/24" } };
    await bench.askAndGoInTurn("NetworkDriver.CreateEndpoint", body);
    expect(bench.onDisk().endpoints).toEqual([]);
    await bench.ask("NetworkDriver.CreateEndpoint", body);
    await bench.askAndGoInTurn("NetworkDriver.CreateEndpoint", body);
    expect(bench.onDisk().endpoints).toEqual([ENDPOINT_ID]);
  });

  it("makes no network, and leaves one that was there before", async () => {
    await bench.ask("IpamDriver.RequestPool", {});
    bench.kernel.close();
    await bench.askAndGo("NetworkDriver.CreateNetwork", CREATE_NETWORK, () => bench.kernel.arrived.promise);
    bench.kernel.open();
    await bench.plugin.idle();
    expect(bench.onDisk().networks).toEqual([]);
    expect([...bench.kernel.devices]).toEqual([]);
    await bench.ask("NetworkDriver.CreateNetwork", CREATE_NETWORK);
    bench.kernel.close();
    await bench.askAndGo("NetworkDriver.CreateNetwork", CREATE_NETWORK, () => bench.kernel.arrived.promise);
    bench.kernel.open();
    await bench.plugin.idle();
    expect(bench.onDisk().networks).toEqual([NETWORK_ID]);
    expect([...bench.kernel.devices]).toEqual([BRIDGE]);
  });

  it("is not begun when nobody waits at its turn", async () => {
    await bench.makeNetwork();
    await bench.ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    bench.kernel.close();
    const first = bench.ask("NetworkDriver.Join", IDS);
    await bench.askAndGo(
      "IpamDriver.RequestAddress",
      { PoolID: POOL_ID },
      () => bench.kernel.arrived.promise,
    );
    const other = { ...IDS, EndpointID: OTHER_ENDPOINT_ID, Interface: { Address: "10.244.7.3/24" } };
    await bench.askAndGo("NetworkDriver.CreateEndpoint", other, () => Promise.resolve());
    bench.kernel.open();
    await first;
    await bench.plugin.idle();
    expect([bench.onDisk().held, bench.onDisk().endpoints, bench.plugin.state.grants]).toEqual([
      [],
      [ENDPOINT_ID],
      0,
    ]);
  });

  it("gives back all the same what Docker forgets: addresses, endpoints, networks", async () => {
    await bench.makeNetwork();
    await bench.ask("IpamDriver.RequestAddress", { PoolID: POOL_ID });
    await bench.ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    bench.kernel.close();
    const first = bench.ask("NetworkDriver.Join", IDS);
    await bench.kernel.arrived.promise;
    const soon = (): Promise<void> => Promise.resolve();
    await bench.askAndGo("NetworkDriver.DeleteEndpoint", IDS, soon);
    await bench.askAndGo("IpamDriver.ReleaseAddress", { PoolID: POOL_ID, Address: "10.244.7.2" }, soon);
    await bench.askAndGo("NetworkDriver.DeleteNetwork", IDS, soon);
    expect(bench.onDisk()).toEqual({ networks: [NETWORK_ID], endpoints: [ENDPOINT_ID], held: [".2"] });
    bench.kernel.open();
    await first;
    await bench.plugin.idle();
    expect(bench.onDisk()).toEqual({ networks: [], endpoints: [], held: [] });
    expect([...bench.kernel.devices].filter((name) => name.startsWith("tw-"))).toEqual([]);
  });

  it("says in the log what failed after its answer", async () => {
    await bench.makeNetwork();
    await bench.ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    bench.kernel.close();
    await bench.askAndGo("NetworkDriver.Join", IDS, () => bench.kernel.arrived.promise);
    bench.kernel.failure = new OverlayError("ERR_KERNEL_FAILED", "no");
    bench.kernel.open();
    await bench.plugin.idle();
    expect(bench.lines).toMatchObject([
      {
        level: "error",
        method: "NetworkDriver.Join",
        msg: "Cannot finish a request whose answer was late",
        err: { message: "no" },
      },
    ]);
  });
});

describe("NetworkDriver.CreateNetwork", () => {
  it("looks at the host once", async () => {
    await bench.ask("IpamDriver.RequestPool", {});
    const before = bench.kernel.looks;
    await bench.ask("NetworkDriver.CreateNetwork", CREATE_NETWORK);
    expect(bench.kernel.looks - before).toBe(1);
  });
});

describe("requests that wait", () => {
  it("are bounded: one more is refused at once in one sentence", async () => {
    await bench.makeNetwork();
    bench.kernel.close();
    const first = bench.ask("NetworkDriver.DeleteEndpoint", IDS);
    await bench.kernel.arrived.promise;
    const release = { PoolID: POOL_ID, Address: "10.244.7.2" };
    const waiting = Array.from({ length: MAX_TURNS - 1 }, () =>
      bench.ask("IpamDriver.ReleaseAddress", release),
    );
    const ended = Promise.allSettled([first, ...waiting]); // a slow disk may leave the last of them unheard
    await expect(bench.ask("IpamDriver.ReleaseAddress", release)).rejects.toThrow(
      `Cannot carry out IpamDriver.ReleaseAddress: ${MAX_TURNS} requests wait, for ip or the disk of this host hangs; try again when it does not`,
    );
    bench.kernel.open();
    await ended;
    await bench.plugin.idle();
    await bench.ask("IpamDriver.ReleaseAddress", release);
  });
});

describe("a network whose lease has moved", () => {
  const PLACE = { networkId: NETWORK_ID, subnet: "10.244.7.0/24" };
  const MOVED = {
    level: "error",
    msg: "The host's lease is another one than the network's: make the network again",
    lease: "10.244.9.0/24",
    ...PLACE,
  };
  const BACK = {
    level: "info",
    msg: "The host's lease is the network's again",
    lease: "10.244.7.0/24",
    ...PLACE,
  };

  it("is told of once, and again when the lease comes back and moves again", async () => {
    await bench.makeNetwork();
    const moved = SUBNET_FILE.replace("10.244.7.1", "10.244.9.1");
    for (const content of [moved, moved, SUBNET_FILE, SUBNET_FILE, moved]) {
      writeFileSync(bench.subnetFile, content);
      await bench.plugin.repair();
    }
    expect(bench.lines).toEqual([MOVED, BACK, MOVED]);
  });
});
