/** Subnets taken from disk, and machines that share an identity. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { prefixOf } from "../../support/ipv4.ts";
import { KeeperBench, twillValue } from "../../support/keeper-bench.ts";

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;

let bench: KeeperBench;
beforeEach(() => void (bench = new KeeperBench()));
afterEach(() => bench.registry.close());

describe("LeaseKeeper.adoptCached", () => {
  it("keeps the cached subnet while the registry is away, and confirms it when it comes back", async () => {
    await bench.node("us", "192.0.2.4", { previousSubnet: prefixOf("10.3.7.0/24") }).acquire();
    bench.registry.setAvailable(false);
    const node = bench.node("us", "192.0.2.4");
    node.keeper.adoptCached(prefixOf("10.3.7.0/24"));
    const running = node.run();
    await bench.clock.advance(HOUR_MS);
    expect(node.states).toEqual(["cached 10.3.7.0/24"]);
    bench.registry.setAvailable(true);
    await bench.clock.advance(6 * SECOND_MS);
    expect(node.states).toEqual(["cached 10.3.7.0/24", "held 10.3.7.0/24"]);
    node.stop.abort();
    await running;
  });

  it("makes the lease on the cached subnet again when it has run out", async () => {
    const node = bench.node("us", "192.0.2.4");
    node.keeper.adoptCached(prefixOf("10.3.7.0/24"));
    const running = node.run();
    await bench.clock.advance(SECOND_MS);
    expect(await bench.stored()).toEqual([`10.3.7.0-24: ${twillValue("192.0.2.4", "us")}`]);
    node.stop.abort();
    await running;
  });

  it.each(["reacquire", "exit"] as const)(
    "leases another when it is taken, also in mode %s",
    async (onLost) => {
      await bench.put("10.3.7.0/24", twillValue("192.0.2.5", "them"), 86_400);
      const node = bench.node("us", "192.0.2.4", { onLost });
      node.keeper.adoptCached(prefixOf("10.3.7.0/24"));
      const running = node.run();
      await bench.clock.advance(SECOND_MS);
      expect(node.states).toEqual([
        "cached 10.3.7.0/24",
        'lost 10.3.7.0/24: node "them" at 192.0.2.5 has the lease on 10.3.7.0/24',
        "held 10.3.1.0/24",
      ]);
      node.stop.abort();
      await running;
    },
  );

  it("believes the registry when it has another lease of ours", async () => {
    await bench.node("us", "192.0.2.4").acquire();
    const node = bench.node("us", "192.0.2.4");
    node.keeper.adoptCached(prefixOf("10.3.7.0/24"));
    const running = node.run();
    await bench.clock.advance(SECOND_MS);
    expect(node.states.at(-1)).toBe("held 10.3.1.0/24");
    expect(await bench.stored()).toHaveLength(1);
    node.stop.abort();
    await running;
  });
});

describe("two machines with one identity", () => {
  it.each([
    ["a cloned disk", "us", "192.0.2.4", "us", "192.0.2.5"],
    ["one address given twice", "us", "192.0.2.4", "them", "192.0.2.4"],
  ])("end with a subnet each, and do not fight: %s", async (_, name1, ip1, name2, ip2) => {
    const nodes = [bench.node(name1, ip1), bench.node(name2, ip2)];
    const running: Promise<void>[] = [];
    for (const node of nodes) {
      await node.acquire();
      running.push(node.run());
    }
    for (let i = 0; i < 30; i++) {
      for (const node of nodes) await node.observe();
      await bench.clock.advance(SECOND_MS);
    }
    expect(nodes.map((node) => node.states.at(-1))).toEqual(["held 10.3.2.0/24", "held 10.3.1.0/24"]);
    expect(nodes.map((node) => node.states.length)).toEqual([3, 1]);
    expect(await bench.stored()).toHaveLength(2);
    for (const node of nodes) node.stop.abort();
    await Promise.all(running);
  });
});
