import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { addressOf, prefixOf } from "../../support/ipv4.ts";
import { DUMMY_CONFIG, flannelValue, KeeperBench, twillValue } from "../../support/keeper-bench.ts";

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
/** The network has one subnet. */
const ONE_SUBNET = `{"Network":"10.3.0.0/16","SubnetMin":"10.3.1.0","SubnetMax":"10.3.1.0"}`;

let bench: KeeperBench;
beforeEach(() => void (bench = new KeeperBench()));
afterEach(() => bench.registry.close());

describe("LeaseKeeper.acquire", () => {
  it("leases a free subnet in range, and again the same (L1, L2)", async () => {
    for (const subnet of ["10.3.1.0/24", "10.3.2.0/24", "10.3.4.0/24", "10.3.5.0/24", "10.3.31.0/24"]) {
      await bench.put(subnet, flannelValue("192.0.2.1"), 86_400);
    }
    expect(await bench.node("us", "192.0.2.4").acquire()).toBe("10.3.3.0/24");
    expect(await bench.node("us", "192.0.2.4").acquire()).toBe("10.3.3.0/24");
    expect(await bench.node("others", "192.0.2.5").acquire()).toBe("10.3.6.0/24");
  });

  it("writes flannel's key and value, and the node id behind them, on an etcd lease of a day (L7)", async () => {
    const config = `{"Network":"10.1.0.0/16","SubnetMin":"10.1.5.0"}`;
    await bench.node("n1", "192.0.2.4", {}, config).acquire();
    const entry = await bench.entry("10.1.5.0/24");
    expect(entry.key).toBe("/coreos.com/network/subnets/10.1.5.0-24");
    expect(Buffer.from(entry.value).toString()).toBe(
      `{"PublicIP":"192.0.2.4","PublicIPv6":null,"NodeID":"n1"}`,
    );
    const ttl = await bench.registry.keepAlive(entry.etcdLeaseId, new AbortController().signal);
    expect(ttl).toEqual({ ttlSeconds: 86_400 });
  });

  it.each([
    ["the previous subnet when it is free (L3)", "10.3.6.0/24", "10.3.6.0/24"],
    ["another when that is outside the network (L4)", "10.4.1.0/24", "10.3.1.0/24"],
  ])("takes %s", async (_, previous, expected) => {
    expect(await bench.node("us", "192.0.2.4", { previousSubnet: prefixOf(previous) }).acquire()).toBe(
      expected,
    );
  });

  it("drops the lease of another network config and takes one of this (L5)", async () => {
    await bench.node("us", "192.0.2.4").acquire();
    expect(await bench.node("us", "192.0.2.4", {}, `{"Network":"10.4.0.0/16"}`).acquire()).toBe(
      "10.4.1.0/24",
    );
    expect(await bench.stored()).toEqual([`10.4.1.0-24: ${twillValue("192.0.2.4", "us")}`]);
  });

  it("keeps its subnet when its address changes, and says the new address", async () => {
    await bench.node("us", "192.0.2.4").acquire();
    const { etcdLeaseId } = await bench.entry("10.3.1.0/24");
    expect(await bench.node("us", "192.0.2.99").acquire()).toBe("10.3.1.0/24");
    expect(await bench.stored()).toEqual([`10.3.1.0-24: ${twillValue("192.0.2.99", "us")}`]);
    // The old address may be a clone's that is alive: it must not keep our key alive, nor end it.
    expect((await bench.entry("10.3.1.0/24")).etcdLeaseId).not.toBe(etcdLeaseId);
  });

  it("takes over from a flannel daemon at its address, with its etcd lease", async () => {
    await bench.put("10.3.7.0/24", flannelValue("192.0.2.4"), 86_400);
    const { etcdLeaseId } = await bench.entry("10.3.7.0/24");
    expect(await bench.node("us", "192.0.2.4").acquire()).toBe("10.3.7.0/24");
    expect(await bench.stored()).toEqual([`10.3.7.0-24: ${twillValue("192.0.2.4", "us")}`]);
    expect((await bench.entry("10.3.7.0/24")).etcdLeaseId).toBe(etcdLeaseId);
    expect(bench.registry.granted).toEqual([]);
  });

  it("moves a lease of an hour to an etcd lease of a day", async () => {
    await bench.put("10.3.7.0/24", twillValue("192.0.2.4", "us"), 3600);
    await bench.node("us", "192.0.2.4").acquire();
    expect((await bench.entry("10.3.7.0/24")).etcdLeaseId).toBe(bench.registry.granted[0]);
  });

  it("counts a subnet as taken when its value cannot be read, and ignores what is no lease (L20)", async () => {
    await bench.put("10.3.1.0/24", "junk");
    const signal = new AbortController().signal;
    const write = { kind: "put", value: flannelValue("192.0.2.1"), etcdLeaseId: 0n } as const;
    await bench.registry.commit("/coreos.com/network/subnets/x10.3.2.0-24", 0n, write, signal);
    await bench.registry.commit("/coreos.com/network/subnets-old/10.3.2.0-24", 0n, write, signal);
    expect(await bench.node("us", "192.0.2.4").acquire()).toBe("10.3.2.0/24");
  });

  it("keeps a reservation a reservation over start, a day and restart (L19)", async () => {
    await bench.put("10.3.9.0/24", `{"PublicIP":"192.0.2.4"}`);
    const first = bench.node("us", "192.0.2.4");
    expect(await first.acquire()).toBe("10.3.9.0/24");
    const running = first.run();
    await bench.clock.advance(25 * HOUR_MS);
    first.stop.abort();
    await running;
    expect(await bench.node("us", "192.0.2.4").acquire()).toBe("10.3.9.0/24");
    expect((await bench.entry("10.3.9.0/24")).etcdLeaseId).toBe(0n);
    expect(await bench.stored()).toEqual([`10.3.9.0-24: ${twillValue("192.0.2.4", "us")}`]);
    expect(bench.registry.granted).toEqual([]);
    expect(first.states).toEqual(["held 10.3.9.0/24 reserved"]);
  });

  it("lists again when another node was faster, and takes another subnet (L17)", async () => {
    bench.registry.beforeNextCommit = () =>
      bench.put("10.3.1.0/24", twillValue("192.0.2.1", "faster"), 86_400);
    const node = bench.node("us", "192.0.2.4");
    expect(await node.acquire()).toBe("10.3.2.0/24");
    expect(bench.registry.commits).toEqual(["lost 10.3.1.0-24", "put 10.3.2.0-24"]);
    expect(await bench.stored()).toContain(`10.3.1.0-24: ${twillValue("192.0.2.1", "faster")}`);
    expect(bench.registry.granted).toHaveLength(1);
    expect(node.states).toEqual(["held 10.3.2.0/24"]);
  });

  it("loses 20 races in a row with one etcd lease", async () => {
    const node = bench.node("us", "192.0.2.4");
    let races = 0;
    const race = async (key: string): Promise<void> => {
      const subnet = key.replace(/^.*\//, "").replace("-", "/");
      await bench.put(subnet, twillValue(`1.1.1.${++races}`, `faster${races}`), 86_400);
      if (races < 20) bench.registry.beforeNextCommit = race;
    };
    bench.registry.beforeNextCommit = race;
    expect(await node.acquire()).toBe("10.3.21.0/24");
    expect(bench.registry.granted).toHaveLength(1);
  });

  it("finds its own write when the answer to it was lost", async () => {
    bench.registry.loseNextCommitAnswer();
    expect(await bench.node("us", "192.0.2.4", { random: Math.random }).acquire()).toMatch(/^10\.3\./);
    expect(await bench.stored()).toHaveLength(1);
    expect(bench.registry.granted).toHaveLength(1);
  });

  it("tries the same subnet again after a write without an answer, since that may still be carried out", async () => {
    let tries = 0;
    const random = (): number => ((tries * 7) % 25) / 25; // another choice at every try
    const keys: string[] = [];
    const loseAnswer = (key: string): Promise<void> => {
      keys.push(key);
      if (++tries < 4) bench.registry.beforeNextCommit = loseAnswer;
      return Promise.reject(new OverlayError("ERR_REGISTRY_UNAVAILABLE", "Cannot write a key: no answer"));
    };
    bench.registry.beforeNextCommit = loseAnswer;
    const node = bench.node("us", "192.0.2.4", { random });
    const acquiring = node.keeper.acquire(node.stop.signal);
    await bench.clock.advance(10 * SECOND_MS);
    await acquiring;
    expect(keys).toHaveLength(4);
    expect(new Set([...keys, (await bench.entry("10.3.1.0/24")).key]).size).toBe(1);
  });

  it("ends an etcd lease that it made and does not need", async () => {
    const node = bench.node("us", "192.0.2.4");
    // Between our list and our write an operator reserves another subnet for us, and takes the first away.
    bench.registry.beforeNextCommit = async () => {
      await bench.put("10.3.1.0/24", twillValue("192.0.2.1", "faster"), 86_400);
      await bench.put("10.3.9.0/24", flannelValue("192.0.2.4"));
    };
    expect(await node.acquire()).toBe("10.3.9.0/24");
    expect(bench.registry.revoked).toEqual(bench.registry.granted);
    expect(bench.registry.granted).toHaveLength(1);
  });

  it("ends its etcd lease when it is told to stop before it has a subnet", async () => {
    const node = bench.node("us", "192.0.2.4", {}, ONE_SUBNET);
    bench.registry.beforeNextCommit = () => bench.put("10.3.1.0/24", flannelValue("192.0.2.1"), 86_400);
    const acquiring = node.keeper.acquire(node.stop.signal);
    await bench.clock.advance(10 * SECOND_MS);
    node.stop.abort();
    await expect(acquiring).rejects.toThrow();
    expect(bench.registry.granted).toHaveLength(1);
    expect(bench.registry.revoked).toEqual(bench.registry.granted);
  });

  it("writes nothing and makes no etcd lease at a restart, 20 times over (W28)", async () => {
    await bench.node("us", "192.0.2.4").acquire();
    const { modRevision } = await bench.entry("10.3.1.0/24");
    for (let i = 0; i < 20; i++) {
      await bench.node("us", "192.0.2.4").acquire();
    }
    expect((await bench.entry("10.3.1.0/24")).modRevision).toBe(modRevision);
    expect(bench.registry.granted).toHaveLength(1);
  });

  it("waits for a free subnet with one error line a minute, and takes it within a minute (L18)", async () => {
    await bench.put("10.3.1.0/24", flannelValue("192.0.2.1"), 86_400);
    const node = bench.node("us", "192.0.2.4", {}, ONE_SUBNET);
    const acquiring = node.keeper.acquire(node.stop.signal);
    await bench.clock.advance(10 * 60 * SECOND_MS);
    expect(node.lines).toHaveLength(11 - 1);
    expect(node.lines[0]).toMatchObject({
      level: "error",
      msg: "Cannot lease a subnet, will retry",
      network: "10.3.0.0/16",
      total: 1,
    });
    expect(node.lines[0]?.err).toMatchObject({
      message: "Cannot lease a /24 of 10.3.0.0/16: all 1 are taken",
    });
    await bench.delete("10.3.1.0/24");
    await bench.clock.advance(60 * SECOND_MS);
    expect((await acquiring).subnet.toString()).toBe("10.3.1.0/24");
  });

  it("throws when the registry denies the first call, and waits when it does later", async () => {
    bench.registry.setDenied(true);
    const node = bench.node("us", "192.0.2.4");
    await expect(node.keeper.acquire(node.stop.signal)).rejects.toMatchObject({
      code: "ERR_REGISTRY_DENIED",
    });
    bench.registry.setAvailable(false);
    const acquiring = node.keeper.acquire(node.stop.signal);
    await bench.clock.advance(SECOND_MS);
    bench.registry.setDenied(true);
    await bench.clock.advance(10 * SECOND_MS);
    bench.registry.setDenied(false);
    await bench.clock.advance(10 * SECOND_MS);
    expect((await acquiring).subnet.toString()).toBe("10.3.1.0/24");
  });

  it("refuses attributes without a node id", () => {
    const attributes = {
      underlayIp: addressOf("192.0.2.4"),
      underlayIp6: null,
      backend: { type: "" },
    };
    expect(() => bench.node("", "192.0.2.4", { attributes: { ...attributes, nodeId: null } })).toThrow(
      TypeError,
    );
  });

  it("gives 25 nodes the 25 subnets there are, and lets the next one wait", async () => {
    const nodes = Array.from({ length: 25 }, (_, i) =>
      bench.node(`n${i}`, `192.0.2.${i + 1}`, {}, DUMMY_CONFIG),
    );
    for (const node of nodes) await node.acquire();
    expect(await bench.stored()).toHaveLength(25);
    const late = bench.node("late", "192.0.2.99");
    const acquiring = late.keeper.acquire(late.stop.signal);
    await bench.clock.advance(SECOND_MS);
    expect(late.lines[0]?.err).toMatchObject({
      message: "Cannot lease a /24 of 10.3.0.0/16: all 25 are taken",
    });
    late.stop.abort();
    await expect(acquiring).rejects.toThrow();
  });
});
