/** What `LeaseKeeper` promises, on etcd and on the registry in memory, in real time. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/agent/process/system-clock.ts";
import { LeaseFollower } from "../../src/subnet-lease/follow-leases.ts";
import { leaseKey, leasePrefix } from "../../src/subnet-lease/lease-codec.ts";
import { LeaseKeeper } from "../../src/subnet-lease/lease-keeper.ts";
import { parseNetworkConfig } from "../../src/subnet-lease/network-config.ts";
import type { Registry, RegistryEntry } from "../../src/subnet-lease/registry.ts";
import { delegateTo } from "../support/delegate-registry.ts";
import { openEtcd } from "../support/etcd-clients.ts";
import { EtcdServer } from "../support/etcd-server.ts";
import { eventually } from "../support/eventually.ts";
import { addressOf } from "../support/ipv4.ts";
import { flannelValue, RacedRegistry, textOf, twillValue } from "../support/keeper-bench.ts";
import { recordLog } from "../support/log-lines.ts";

const CONFIG = parseNetworkConfig(`{"Network":"10.244.0.0/16"}`);
const DAY_SECONDS = 86_400;
/** The bar for a lease that was deleted or revoked while the registry answers. */
const REPAIR_MS = 2_000;
const RACERS = 50;
const ROUNDS = 20;
/** The bar for every one of the racers of a round. */
const ROUND_MS = 5_000;

const never = new AbortController().signal;

/** A registry server, and what a test must know of it from outside. */
interface Subject {
  /** A client of its own. */
  connect(): Registry;
  countEtcdLeases(): Promise<number>;
  end(): Promise<void>;
}

async function startEtcd(): Promise<Subject> {
  const server = await EtcdServer.start();
  return {
    connect: () => openEtcd({ endpoints: [server.url] }),
    countEtcdLeases: async () => {
      const [first = ""] = (await server.etcdctl("lease", "list")).split("\n");
      return Number(/^found (\d+) leases$/.exec(first)?.[1]);
    },
    end: () => server[Symbol.asyncDispose](),
  };
}

function startMemory(): Promise<Subject> {
  const registry = new RacedRegistry(systemClock);
  return Promise.resolve({
    connect: () => registry,
    countEtcdLeases: () => Promise.resolve(registry.granted.length - new Set(registry.revoked).size),
    end: () => registry.close(),
  });
}

describe.each([
  { name: "on etcd", start: startEtcd },
  { name: "in memory", start: startMemory },
])("LeaseKeeper $name", ({ start }) => {
  let subject: Subject;
  let registry: Registry;
  let prefix: string;
  let count = 0;

  beforeAll(async () => {
    subject = await start();
    registry = subject.connect();
  });
  afterAll(async () => {
    await registry.close();
    await subject.end();
  });
  beforeEach(() => void (prefix = `/test${++count}`)); // every test has its own keys: the server is shared

  /** A keeper of the node `n<host>` at 192.0.2.<host>. */
  function keeperOf(host: number, client = registry) {
    const { log, lines } = recordLog();
    const states: string[] = [];
    const keeper = new LeaseKeeper({
      registry: client,
      prefix,
      config: CONFIG,
      attributes: {
        underlayIp: addressOf(`192.0.2.${host}`),
        underlayIp6: null,
        backend: { type: "" },
        nodeId: `n${host}`,
      },
      previousSubnet: null,
      renewMarginSeconds: 3600,
      onLost: "reacquire",
      clock: systemClock,
      random: Math.random,
      log,
      onChange: (state) => states.push(textOf(state)),
    });
    return { keeper, lines, states };
  }

  /** A node that has a subnet, runs, and sees what happens in the registry. */
  async function startNode(host: number) {
    const node = keeperOf(host);
    const stop = new AbortController();
    const lease = await node.keeper.acquire(stop.signal);
    const { signal } = stop;
    const { log } = recordLog();
    const follower = new LeaseFollower({
      registry,
      prefix,
      clock: systemClock,
      random: Math.random,
      log,
      onView: (view) => node.keeper.observe(view),
      signal,
    });
    const running = [node.keeper.run(signal), follower.run()];
    return {
      ...node,
      key: leaseKey(prefix, lease.subnet, null),
      lease,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await Promise.allSettled(running);
      },
    };
  }

  async function readStored(): Promise<RegistryEntry[]> {
    return (await registry.list(leasePrefix(prefix), never)).entries;
  }

  const text = (entry: RegistryEntry | undefined): string => Buffer.from(entry?.value ?? []).toString();

  async function put(key: string, value: string, expected = 0n, etcdLeaseId = 0n): Promise<void> {
    const result = await registry.commit(key, expected, { kind: "put", value, etcdLeaseId }, never);
    expect(result.committed).toBe(true);
  }

  it("writes flannel's key and value, and the node id behind them, on an etcd lease of a day", async () => {
    const lease = await keeperOf(1).keeper.acquire(never);
    const [entry] = await readStored();
    expect(entry?.key).toBe(`${prefix}/subnets/${lease.subnet.toString().replace("/", "-")}`);
    expect(text(entry)).toBe(`{"PublicIP":"192.0.2.1","PublicIPv6":null,"NodeID":"n1"}`);
    expect(entry?.createRevision).toBe(lease.createRevision);
    expect(entry?.modRevision).toBe(lease.revision);
    expect(await registry.keepAlive(entry?.etcdLeaseId ?? 0n, never)).toEqual({ ttlSeconds: DAY_SECONDS });
  });

  it("keeps one etcd lease over 20 restarts, and writes nothing at any", async () => {
    const before = await subject.countEtcdLeases();
    const lease = await keeperOf(1).keeper.acquire(never);
    for (let i = 0; i < 20; i++) {
      expect((await keeperOf(1).keeper.acquire(never)).subnet.equals(lease.subnet)).toBe(true);
    }
    const [entry] = await readStored();
    expect(entry?.modRevision).toBe(lease.revision);
    expect((await subject.countEtcdLeases()) - before).toBe(1);
  });

  it("finds the etcd lease that crashes between grant and first write have left", async () => {
    const before = await subject.countEtcdLeases();
    for (let i = 0; i < 5; i++) {
      const crashed = new Promise<void>((resolve) => {
        const client = delegateTo(registry, {
          commit: () => {
            resolve();
            return new Promise(() => undefined); // what a process that has died does
          },
        });
        void keeperOf(1, client).keeper.acquire(never);
      });
      await crashed;
    }
    await keeperOf(1).keeper.acquire(never);
    expect((await subject.countEtcdLeases()) - before).toBe(1);
  });

  it("keeps its subnet and says so when its address has changed", async () => {
    const { subnet } = await keeperOf(1).keeper.acquire(never);
    await put(`${prefix}/subnets/10.244.200.0-24`, flannelValue("192.0.2.200"));
    const [before] = (await readStored()).filter(
      (entry) => entry.key !== `${prefix}/subnets/10.244.200.0-24`,
    );
    await put(before?.key ?? "", twillValue("198.51.100.9", "n1"), before?.modRevision, before?.etcdLeaseId);
    expect((await keeperOf(1).keeper.acquire(never)).subnet.equals(subnet)).toBe(true);
    expect((await readStored()).map(text).sort()).toEqual([
      twillValue("192.0.2.1", "n1"),
      flannelValue("192.0.2.200"),
    ]);
  });

  it("leaves a reservation a reservation", async () => {
    await put(`${prefix}/subnets/10.244.9.0-24`, `{"PublicIP":"192.0.2.1"}`);
    await using node = await startNode(1);
    expect(node.states).toEqual(["held 10.244.9.0/24 reserved"]);
    const [entry] = await readStored();
    expect(entry?.etcdLeaseId).toBe(0n);
    expect(text(entry)).toBe(twillValue("192.0.2.1", "n1"));
  });

  it("takes its subnet back within 2 s when the key is deleted, and when the etcd lease is revoked", async () => {
    await using node = await startNode(1);
    for (const loss of ["delete", "revoke"] as const) {
      const { entry } = await registry.read(node.key, never);
      if (loss === "revoke") await registry.revoke(entry?.etcdLeaseId ?? 0n, never);
      else await registry.commit(node.key, entry?.modRevision ?? 0n, { kind: "delete" }, never);
      const lostAtMs = performance.now();
      await eventually(async () => {
        const { entry: now } = await registry.read(node.key, never);
        expect(now?.createRevision).toBeGreaterThan(entry?.modRevision ?? 0n);
      });
      expect(performance.now() - lostAtMs).toBeLessThan(REPAIR_MS);
      await eventually(() => node.states.at(-1) === `held ${node.lease.subnet.toString()}`);
    }
    expect(new Set(node.states).size).toBe(1);
  });

  it("gives way to the node that has its subnet, and leases another", async () => {
    await using node = await startNode(1);
    const { entry } = await registry.read(node.key, never);
    await put(node.key, twillValue("192.0.2.2", "n2"), entry?.modRevision);
    await eventually(() => node.states.length === 3);
    const subnet = node.lease.subnet.toString();
    expect(node.states[1]).toBe(`lost ${subnet}: node "n2" at 192.0.2.2 has the lease on ${subnet}`);
    expect(node.states[2]).not.toBe(`held ${subnet}`);
    expect((await readStored()).map(text).sort()).toEqual([
      twillValue("192.0.2.1", "n1"),
      twillValue("192.0.2.2", "n2"),
    ]);
  });

  it(
    `gives ${RACERS} nodes that start at once a subnet each within 5 s, ${ROUNDS} times over`,
    { timeout: 120_000 },
    async () => {
      const clients = Array.from({ length: RACERS }, () => subject.connect());
      const slowestMs: number[] = [];
      const etcdLeasesBefore = await subject.countEtcdLeases();
      for (let round = 0; round < ROUNDS; round++) {
        prefix = `/race${count}-${round}`;
        const startMs = performance.now();
        const leases = await Promise.all(
          clients.map((client, i) => keeperOf(i + 1, client).keeper.acquire(never)),
        );
        slowestMs.push(performance.now() - startMs);
        expect(new Set(leases.map((lease) => lease.subnet.toString())).size).toBe(RACERS);
        const stored = await readStored();
        expect(stored.map((entry) => entry.key).sort()).toEqual(
          leases.map((lease) => leaseKey(prefix, lease.subnet, null)).sort(),
        );
      }
      expect(Math.max(...slowestMs)).toBeLessThan(ROUND_MS);
      expect((await subject.countEtcdLeases()) - etcdLeasesBefore).toBe(RACERS * ROUNDS);
      await Promise.all(clients.filter((client) => client !== registry).map((client) => client.close()));
    },
  );
});
