/** Many nodes, few subnets, and faults in any order: no lease is ever overwritten, and in the end each has its own. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { leasePrefix } from "../../../src/subnet-lease/lease-codec.ts";
import { parseLeaseEntry } from "../../../src/subnet-lease/lease-list.ts";
import { KeeperBench, PREFIX } from "../../support/keeper-bench.ts";
import type { Node } from "../../support/keeper-bench.ts";

const NODES = 6;
/** 8 subnets for 6 nodes, so that nodes meet. */
const CONFIG = `{"Network":"10.3.0.0/16","SubnetMin":"10.3.1.0","SubnetMax":"10.3.8.0"}`;
const HOUR_MS = 3_600_000;
/** Longest pause between two tries, and what the tries take. */
const HEAL_MS = 10_000;

const never = new AbortController().signal;

type Fault =
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "away" | "back" | "loseAnswer" | "observe" | "expireAll" }
  | { readonly kind: "delete" | "revoke" | "restart"; readonly index: number };

const anyFault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({
    kind: fc.constant("wait" as const),
    ms: fc.constantFrom(0, 10, 500, 5000, 9 * HOUR_MS),
  }),
  fc.record({
    kind: fc.constantFrom(
      "away" as const,
      "back" as const,
      "loseAnswer" as const,
      "observe" as const,
      "expireAll" as const,
    ),
  }),
  fc.record({
    kind: fc.constantFrom("delete" as const, "revoke" as const, "restart" as const),
    index: fc.nat(NODES - 1),
  }),
);

/** Numbers from 0 to 1 that a seed repeats (a linear congruential generator, constants of Numerical Recipes). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** One run of all nodes against one registry. */
class Cluster {
  readonly bench = new KeeperBench();
  readonly nodes: Node[] = [];
  readonly #running: Promise<void>[] = [];
  #isAway = false;
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
    for (let i = 0; i < NODES; i++) this.start(i);
  }

  /** Starts a node; one that runs already is stopped, as by a crash. */
  start(index: number): void {
    this.nodes[index]?.stop.abort();
    const node = this.bench.node(`n${index}`, `192.0.2.${index + 1}`, { random: this.#random }, CONFIG);
    this.nodes[index] = node;
    this.#running.push(node.run());
  }

  async inflict(fault: Fault): Promise<void> {
    const { registry, clock } = this.bench;
    switch (fault.kind) {
      case "wait":
        // Hours without a registry are 10,000 tries for each node; `expireAll` is what they come to.
        await clock.advance(this.#isAway ? Math.min(fault.ms, HEAL_MS) : fault.ms);
        break;
      case "away":
      case "back":
        this.#isAway = fault.kind === "away";
        registry.setAvailable(!this.#isAway);
        break;
      case "expireAll":
        await this.#expireAll();
        break;
      case "loseAnswer":
        registry.loseNextCommitAnswer();
        break;
      case "observe":
        await this.observe();
        break;
      case "restart":
        this.start(fault.index);
        break;
      case "delete":
      case "revoke":
        await this.#takeKey(fault.kind, fault.index);
        break;
    }
  }

  async observe(): Promise<void> {
    const view = await this.bench.view().catch(() => null); // the registry may be away
    if (view !== null) for (const node of this.nodes) node.keeper.observe(view);
  }

  async heal(): Promise<void> {
    this.#isAway = false;
    this.bench.registry.setAvailable(true);
    for (let i = 0; i < 5; i++) {
      await this.bench.clock.advance(HEAL_MS);
      await this.observe();
    }
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.stop.abort();
    await Promise.all(this.#running);
    await this.bench.registry.close();
  }

  /** Ends every etcd lease, as time does whether the nodes reach the registry or not. */
  async #expireAll(): Promise<void> {
    const { registry } = this.bench;
    registry.setAvailable(true);
    for (const id of registry.granted) await registry.revoke(id, never);
    registry.setAvailable(!this.#isAway);
  }

  /** As an operator does, who may find the registry away or lose the answer as well. */
  async #takeKey(kind: "delete" | "revoke", index: number): Promise<void> {
    const { registry } = this.bench;
    try {
      const { entries } = await registry.list(leasePrefix(PREFIX), never);
      const entry = entries[index % Math.max(entries.length, 1)];
      if (entry === undefined) return;
      if (kind === "revoke") await registry.revoke(entry.etcdLeaseId, never);
      else await registry.commit(entry.key, entry.modRevision, { kind: "delete" }, never);
    } catch (err) {
      expect(err).toMatchObject({ code: "ERR_REGISTRY_UNAVAILABLE" });
    }
  }
}

/** Reads the registry's whole history and gives every write that took a key from another node. */
async function listThefts(cluster: Cluster): Promise<string[]> {
  const stop = new AbortController();
  const owners = new Map<string, string | null>();
  const thefts: string[] = [];
  for await (const { events, header } of cluster.bench.registry.watch(leasePrefix(PREFIX), 1n, stop.signal)) {
    for (const event of events) {
      if (event.kind === "delete") {
        owners.delete(event.key);
        continue;
      }
      const parsed = parseLeaseEntry(PREFIX, event.entry);
      const owner = parsed.kind === "lease" ? parsed.lease.attributes.nodeId : null;
      const before = owners.get(event.entry.key);
      if (before !== undefined && before !== owner)
        thefts.push(`${event.entry.key}: ${String(before)} > ${String(owner)}`);
      owners.set(event.entry.key, owner);
    }
    if (events.length > 0 || header.revision === 1n) stop.abort();
  }
  return thefts;
}

describe("many keepers", () => {
  it("never take a lease from each other, and end with one subnet each", async () => {
    const property = fc.asyncProperty(
      fc.nat(),
      fc.array(anyFault, { maxLength: 25 }),
      async (seed, faults) => {
        const cluster = new Cluster(seed);
        for (const fault of faults) await cluster.inflict(fault);
        await cluster.heal();
        const held = cluster.nodes.map((node) => node.states.at(-1));
        expect(held.filter((state) => state?.startsWith("held "))).toHaveLength(NODES);
        expect(new Set(held).size).toBe(NODES);
        const stored = (await cluster.bench.stored()).map((line) => /NodeID":"(n\d)"/.exec(line)?.[1]).sort();
        expect(stored).toEqual(cluster.nodes.map((_, i) => `n${i}`));
        expect(await listThefts(cluster)).toEqual([]);
        await cluster.stop();
      },
    );
    await fc.assert(property, { numRuns: 400 });
  }, 60_000);
});
