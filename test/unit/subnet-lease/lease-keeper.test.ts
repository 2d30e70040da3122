import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { delegateTo } from "../../support/delegate-registry.ts";
import { flannelValue, KeeperBench, twillValue } from "../../support/keeper-bench.ts";

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;

let bench: KeeperBench;
beforeEach(() => void (bench = new KeeperBench()));
afterEach(() => bench.registry.close());

describe("LeaseKeeper.run", () => {
  /** A node that has 10.3.1.0/24 and runs. */
  async function startNode(more: Parameters<KeeperBench["node"]>[2] = {}) {
    const node = bench.node("us", "192.0.2.4", more);
    await node.acquire();
    const running = node.run();
    let failure: unknown = null;
    running.catch((err: unknown) => (failure = err));
    await bench.clock.advance(10 * SECOND_MS);
    return { ...node, running, failure: () => failure };
  }

  it("renews every 8 hours, for ever, without another write (L8)", async () => {
    const node = await startNode();
    const { modRevision, etcdLeaseId } = await bench.entry("10.3.1.0/24");
    for (let day = 0; day < 30; day++) {
      await bench.clock.advance(24 * HOUR_MS);
      const { state } = node.keeper;
      const leftMs = (state.kind === "held" ? (state.expiresAtMs ?? 0) : 0) - bench.clock.nowMs();
      expect(leftMs).toBeGreaterThanOrEqual(16 * HOUR_MS);
    }
    expect(await bench.entry("10.3.1.0/24")).toMatchObject({ modRevision, etcdLeaseId });
    expect(node.states).toEqual(["held 10.3.1.0/24"]);
    node.stop.abort();
    await node.running;
  });

  it("renews as early as the margin wants, with up to a tenth of jitter", async () => {
    const node = await startNode({ renewMarginSeconds: 86_400 - 600, random: () => 0.5 });
    expect(bench.clock.nextWakeMs).toBeLessThanOrEqual(600 * SECOND_MS * 0.95);
    expect(bench.clock.nextWakeMs).toBeGreaterThan(600 * SECOND_MS * 0.95 - 15 * SECOND_MS);
    node.stop.abort();
    await node.running;
  });

  it("does not care for the wall clock", async () => {
    const node = await startNode();
    const before = bench.clock.nextWakeMs;
    bench.clock.stepWall(10 * 365 * 24 * HOUR_MS);
    bench.clock.stepWall(-20 * 365 * 24 * HOUR_MS);
    await bench.clock.advance(0);
    expect(bench.clock.nextWakeMs).toBe(before);
    expect(node.states).toEqual(["held 10.3.1.0/24"]);
    node.stop.abort();
    await node.running;
  });

  it("leaves the lease in place and no timer behind when it is stopped", async () => {
    const node = await startNode();
    node.stop.abort();
    await node.running;
    expect(await bench.stored()).toHaveLength(1);
    expect(bench.registry.revoked).toEqual([]);
    await bench.registry.close(); // ends the timers of its etcd leases
    await bench.clock.advance(0);
    expect(bench.clock.sleeping).toBe(0);
  });

  it("makes its lease again, on the same subnet, when it is deleted", async () => {
    const node = await startNode();
    await bench.delete("10.3.1.0/24");
    await node.observe();
    await bench.clock.advance(0);
    expect(await bench.stored()).toEqual([`10.3.1.0-24: ${twillValue("192.0.2.4", "us")}`]);
    expect(node.states).toEqual(["held 10.3.1.0/24", "held 10.3.1.0/24"]);
    expect(bench.registry.granted).toHaveLength(1);
    node.stop.abort();
    await node.running;
  });

  it("makes its lease again when its etcd lease is revoked", async () => {
    const node = await startNode();
    const { etcdLeaseId } = await bench.entry("10.3.1.0/24");
    await bench.registry.revoke(etcdLeaseId, new AbortController().signal);
    await node.observe();
    await bench.clock.advance(SECOND_MS);
    expect((await bench.entry("10.3.1.0/24")).etcdLeaseId).toBe(bench.registry.granted[1]);
    node.stop.abort();
    await node.running;
  });

  it("makes its lease again at the next renewal when nobody tells it", async () => {
    const node = await startNode();
    await bench.delete("10.3.1.0/24");
    await bench.clock.advance(8 * HOUR_MS);
    expect(await bench.stored()).toHaveLength(1);
    node.stop.abort();
    await node.running;
  });

  it("writes once a second at most against a script that deletes its lease", async () => {
    const node = await startNode();
    bench.registry.commits.length = 0;
    for (let i = 0; i < 100; i++) {
      await bench.clock.advance(100);
      if ((await bench.stored()).length > 0) await bench.delete("10.3.1.0/24");
      await node.observe();
    }
    const puts = bench.registry.commits.filter((commit) => commit.startsWith("put"));
    expect(puts.length).toBeGreaterThanOrEqual(9);
    expect(puts.length).toBeLessThanOrEqual(11);
    node.stop.abort();
    await node.running;
  });

  it("makes its lease again in another cluster that took the place of this one", async () => {
    const node = await startNode();
    bench.registry.wipe();
    await node.observe();
    await bench.clock.advance(SECOND_MS);
    expect(await bench.stored()).toEqual([`10.3.1.0-24: ${twillValue("192.0.2.4", "us")}`]);
    expect(node.keeper.state.kind).toBe("held");
    node.stop.abort();
    await node.running;
  });

  it("puts its value right when somebody spoils it, at the next renewal at the latest", async () => {
    const node = await startNode();
    await bench.put("10.3.1.0/24", "junk", 86_400);
    await bench.clock.advance(8 * HOUR_MS);
    expect(await bench.stored()).toEqual([`10.3.1.0-24: ${twillValue("192.0.2.4", "us")}`]);
    expect(node.states.every((state) => state === "held 10.3.1.0/24")).toBe(true);
    node.stop.abort();
    await node.running;
  });

  it("lets an operator turn its lease into a reservation", async () => {
    const node = await startNode();
    await bench.put("10.3.1.0/24", flannelValue("192.0.2.4"));
    await node.observe();
    await bench.clock.advance(30 * HOUR_MS);
    expect(await bench.stored()).toEqual([`10.3.1.0-24: ${twillValue("192.0.2.4", "us")}`]);
    expect((await bench.entry("10.3.1.0/24")).etcdLeaseId).toBe(0n);
    expect(node.states).toEqual(["held 10.3.1.0/24", "held 10.3.1.0/24 reserved"]);
    node.stop.abort();
    await node.running;
  });

  it.each([
    ["another node", twillValue("192.0.2.5", "them"), 'node "them" at 192.0.2.5'],
    ["another node at our address", twillValue("192.0.2.4", "them"), 'node "them" at 192.0.2.4'],
    ["a clone of our disk", twillValue("192.0.2.5", "us"), 'node "us" at 192.0.2.5'],
    ["a flannel node", flannelValue("192.0.2.5"), "a node without id at 192.0.2.5"],
  ])("gives way when %s has its subnet, and leases another", async (_, value, holder) => {
    const node = await startNode();
    await bench.put("10.3.1.0/24", value, 86_400);
    await node.observe();
    await bench.clock.advance(SECOND_MS);
    expect(await bench.stored()).toEqual([
      `10.3.1.0-24: ${value}`,
      `10.3.2.0-24: ${twillValue("192.0.2.4", "us")}`,
    ]);
    expect(node.states).toEqual([
      "held 10.3.1.0/24",
      `lost 10.3.1.0/24: ${holder} has the lease on 10.3.1.0/24`,
      "held 10.3.2.0/24",
    ]);
    expect(node.lines.filter((line) => line.level === "error")).toHaveLength(1);
    node.stop.abort();
    await node.running;
  });

  it("ends with ERR_SUBNET_TAKEN in mode exit, and leaves nothing of its own", async () => {
    const node = await startNode({ onLost: "exit" });
    await bench.put("10.3.1.0/24", twillValue("192.0.2.5", "them"), 86_400);
    await node.observe();
    await bench.clock.advance(SECOND_MS);
    expect(node.failure()).toMatchObject({
      code: "ERR_SUBNET_TAKEN",
      message: 'Cannot keep 10.3.1.0/24: node "them" at 192.0.2.5 has the lease on 10.3.1.0/24',
    });
    expect(await bench.stored()).toEqual([`10.3.1.0-24: ${twillValue("192.0.2.5", "them")}`]);
    expect(bench.registry.revoked).toEqual(bench.registry.granted);
  });

  it("yields to an older lease that overlaps its own, not to a younger one", async () => {
    const unseen = bench.node("us", "192.0.2.4");
    // Compare-and-swap sees one key: a wider lease that lands between our list and our write passes by it.
    bench.registry.beforeNextCommit = () => bench.put("10.3.0.0/20", flannelValue("192.0.2.1"), 86_400);
    await unseen.acquire();
    const running = unseen.run();
    await unseen.observe();
    await bench.clock.advance(2 * SECOND_MS);
    expect(unseen.states).toEqual([
      "held 10.3.1.0/24",
      "lost 10.3.1.0/24: a node without id at 192.0.2.1 has the lease on 10.3.0.0/20",
      "held 10.3.16.0/24",
    ]);
    await bench.put("10.3.16.0/20", flannelValue("1.1.1.2"), 86_400);
    await unseen.observe();
    await bench.clock.advance(2 * SECOND_MS);
    expect(unseen.states).toHaveLength(3);
    expect((await bench.stored()).map((line) => line.split(":")[0])).toEqual([
      "10.3.0.0-20",
      "10.3.16.0-20",
      "10.3.16.0-24",
    ]);
    unseen.stop.abort();
    await running;
  });

  it("keeps everything for 25 hours without a registry, then takes the same subnet back", async () => {
    const node = await startNode();
    bench.registry.setAvailable(false);
    await bench.clock.advance(7 * HOUR_MS);
    const linesBefore = node.lines.length;
    await bench.clock.advance(18 * HOUR_MS);
    expect(node.keeper.state.kind).toBe("held");
    expect(node.states).toHaveLength(1);
    expect(node.lines.length - linesBefore).toBeLessThanOrEqual(18 * 60);
    expect(node.lines.slice(linesBefore)).not.toContainEqual(expect.objectContaining({ level: "error" }));
    bench.registry.setAvailable(true);
    expect(await bench.stored()).toEqual([]); // it ran out meanwhile
    await bench.clock.advance(6 * SECOND_MS);
    expect(await bench.stored()).toEqual([`10.3.1.0-24: ${twillValue("192.0.2.4", "us")}`]);
    expect(node.states).toEqual(["held 10.3.1.0/24", "held 10.3.1.0/24"]);
    node.stop.abort();
    await node.running;
  });

  it("goes on while a certificate cannot be read, and renews when it can", async () => {
    let isReadable = true;
    const registry = delegateTo(bench.registry, {
      list: async (...args) => {
        if (!isReadable) throw new OverlayError("ERR_FILE_FAILED", "Cannot read node.crt for TLS to etcd");
        return await bench.registry.list(...args);
      },
    });
    const node = await startNode({ registry });
    isReadable = false;
    await bench.clock.advance(9 * HOUR_MS);
    expect(node.failure()).toBeNull();
    expect(node.lines.at(-1)).toMatchObject({ level: "warn", err: { code: "ERR_FILE_FAILED" } });
    isReadable = true;
    await bench.clock.advance(5 * SECOND_MS);
    expect(node.lines.at(-1)).toMatchObject({ msg: "Lease confirmed again" });
    node.stop.abort();
    await node.running;
  });

  it("does not overwrite the node that leased its subnet while it was cut off (L21)", async () => {
    const node = await startNode();
    bench.registry.setAvailable(false);
    await bench.clock.advance(25 * HOUR_MS);
    bench.registry.setAvailable(true);
    await bench.put("10.3.1.0/24", twillValue("192.0.2.5", "them"), 86_400);
    await bench.clock.advance(6 * SECOND_MS);
    expect(await bench.stored()).toEqual([
      `10.3.1.0-24: ${twillValue("192.0.2.5", "them")}`,
      `10.3.2.0-24: ${twillValue("192.0.2.4", "us")}`,
    ]);
    node.stop.abort();
    await node.running;
  });

  it("does not overwrite the node that is faster than its repair", async () => {
    const node = await startNode();
    await bench.delete("10.3.1.0/24");
    bench.registry.beforeNextCommit = () => bench.put("10.3.1.0/24", twillValue("192.0.2.5", "them"), 86_400);
    await node.observe();
    await bench.clock.advance(SECOND_MS);
    expect(await bench.stored()).toContain(`10.3.1.0-24: ${twillValue("192.0.2.5", "them")}`);
    expect(node.states.at(-1)).toBe("held 10.3.2.0/24");
    node.stop.abort();
    await node.running;
  });

  it("deletes a second lease of its own, and no reservation", async () => {
    const node = await startNode();
    await bench.put("10.3.7.0/24", twillValue("192.0.2.4", "us"), 86_400);
    await bench.put("10.3.8.0/24", flannelValue("192.0.2.4"));
    await node.observe();
    await bench.clock.advance(SECOND_MS);
    expect((await bench.stored()).map((line) => line.split(":")[0])).toEqual(["10.3.1.0-24", "10.3.8.0-24"]);
    expect(node.states).toEqual(["held 10.3.1.0/24"]);
    node.stop.abort();
    await node.running;
  });

  it("asks nobody when views are as they should be, or older than its own write", async () => {
    const stale = await bench.view();
    const node = await startNode();
    bench.registry.setAvailable(false); // any question would be logged
    node.keeper.observe({ ...stale, leases: [] });
    bench.registry.setAvailable(true);
    const view = await bench.view();
    bench.registry.setAvailable(false);
    node.keeper.observe({ ...view, revision: view.revision + 5n });
    await bench.clock.advance(2 * SECOND_MS);
    expect(node.lines.map((line) => line.msg)).toEqual(["Subnet leased"]);
    node.stop.abort();
    await node.running;
  });
});
