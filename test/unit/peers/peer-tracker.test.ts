import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HOLD_MS, SETTLE_MS } from "../../../src/peers/mass-deletion-guard.ts";
import { MIN_INTERVAL_MS, PeerTracker } from "../../../src/peers/peer-tracker.ts";
import type { PeerTrackerOptions } from "../../../src/peers/peer-tracker.ts";
import type { SubnetLease } from "../../../src/subnet-lease/lease.ts";
import { prefixOf } from "../../support/ipv4.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { recordLog } from "../../support/log-lines.ts";
import { lease, peer, peers, place, self, show, view } from "./leases.ts";

let clock: FakeClock;
let record: ReturnType<typeof recordLog>;
let calls: string[][];
let tracker: PeerTracker;
beforeEach(() => {
  clock = new FakeClock();
  record = recordLog();
  calls = [];
  tracker = makeTracker();
});
afterEach(async () => {
  tracker.close();
  await clock.advance(0);
  expect(clock.sleeping).toBe(0);
});

function makeTracker(options: Partial<PeerTrackerOptions> = {}): PeerTracker {
  const onPeers = (set: Parameters<PeerTrackerOptions["onPeers"]>[0]): void => void calls.push(show(set));
  return new PeerTracker({ self, place, clock, log: record.log, onPeers, ...options });
}

/** The leases of {@link peers}. */
function leases(count: number, first = 1): SubnetLease[] {
  return Array.from({ length: count }, (_, i) =>
    lease(`10.244.${first + i}.0/24`, `192.0.2.${100 + first + i}`),
  );
}

/** Later than the time in which views are taken together. */
async function observe(
  found: readonly SubnetLease[],
  ...where: [revision?: bigint, clusterId?: bigint]
): Promise<void> {
  await clock.advance(MIN_INTERVAL_MS);
  tracker.observe(view(found, ...where));
}

function messages(): string[] {
  return record.lines.map(({ level, msg }) => `${level} ${msg}`);
}

describe("PeerTracker", () => {
  it("hands on the whole set whenever it changes, and only then", async () => {
    await observe(leases(2));
    await observe(leases(2));
    await observe(leases(3));
    expect(calls).toEqual([show(peers(2)), show(peers(3))]);
    expect(show(tracker.peers)).toEqual(show(peers(3)));
  });

  it("hands on an empty set once, so that what an earlier run left is put right", async () => {
    await observe([]);
    await observe([]);
    expect(calls).toEqual([[]]);
  });

  it("hands on a peer whose address or data changed under its subnet", async () => {
    await observe(leases(2));
    await observe([lease("10.244.1.0/24", "192.0.2.99"), ...leases(1, 2)]);
    await observe([lease("10.244.1.0/24", "192.0.2.99", { data: { Port: 1 } }), ...leases(1, 2)]);
    expect(calls.slice(1)).toEqual([
      ["10.244.1.0/24 via 192.0.2.99", "10.244.2.0/24 via 192.0.2.102"],
      ["10.244.1.0/24 via 192.0.2.99", "10.244.2.0/24 via 192.0.2.102"],
    ]);
  });

  it("says what changed", async () => {
    const seen: unknown[] = [];
    tracker.close();
    tracker = makeTracker({ onPeers: (_set, changes) => void seen.push(changes) });
    await observe(leases(1));
    await observe([lease("10.244.1.0/24", "192.0.2.99"), ...leases(1, 2)]);
    expect(seen).toEqual([
      { added: peers(1), changed: [], removed: [] },
      { added: peers(1, 2), changed: [peer("10.244.1.0/24", "192.0.2.99")], removed: [] },
    ]);
  });

  it("applies a deletion a second later, on its own", async () => {
    await observe(leases(5));
    await observe(leases(4));
    await clock.advance(SETTLE_MS - 1);
    expect(calls).toEqual([show(peers(5))]);
    await clock.advance(1);
    expect(calls).toEqual([show(peers(5)), show(peers(4))]);
  });

  it("takes views that come thick and fast together, within 50 ms", async () => {
    for (let i = 1; i <= 10; i += 1) {
      tracker.observe(view(leases(i)));
      await clock.advance(10);
    }
    await clock.advance(MIN_INTERVAL_MS);
    expect(calls.map((set) => set.length)).toEqual([1, 5, 10]);
  });

  it("calls nobody after its close", async () => {
    await observe(leases(5));
    await observe(leases(4));
    tracker.close();
    await clock.advance(HOLD_MS);
    tracker.observe(view(leases(2)));
    tracker.setSelf({ ...self, subnet: null });
    expect(calls).toEqual([show(peers(5))]);
    expect(clock.sleeping).toBe(0);
  });
});

describe("PeerTracker.startFrom", () => {
  it("forwards to the peers of an earlier run before the registry answers", () => {
    tracker.startFrom(peers(3), null);
    expect(calls).toEqual([show(peers(3))]);
  });

  it("hands on nothing when there are none, for nobody knows yet whether there are any", () => {
    tracker.startFrom([], null);
    expect(calls).toEqual([]);
  });

  it("leaves out peers that contradict who and where we are now", () => {
    const cached = [
      peer("10.244.0.0/24", "192.0.2.11"), // our subnet now
      peer("10.244.1.0/24", "192.0.2.10"), // our address now
      peer("10.244.2.0/24", "192.0.2.12", { type: "vxlan" }),
      peer("10.244.3.0/24", "192.0.2.13"),
      peer("192.168.7.0/24", "192.0.2.14"), // of another network
    ];
    tracker.startFrom(cached, null);
    expect(calls).toEqual([["10.244.3.0/24 via 192.0.2.13"]]);
  });

  it("refuses peers that contradict each other", () => {
    expect(() => tracker.startFrom([...peers(2), ...peers(1)], null)).toThrow(RangeError);
  });

  it("holds the peers of an earlier run when the registry turns out to be empty", async () => {
    tracker.startFrom(peers(5), null);
    await observe([]);
    expect(tracker.status().peers.map(({ isHeld }) => isHeld)).toEqual([true, true, true, true, true]);
    await clock.advance(HOLD_MS - 1);
    expect(calls).toEqual([show(peers(5))]);
    await clock.advance(1);
    expect(calls.at(-1)).toEqual([]);
  });

  it("removes what went away while the agent was down", async () => {
    tracker.startFrom(peers(5), { clusterId: 1n, revision: 100n });
    await observe(leases(4), 150n);
    await clock.advance(SETTLE_MS);
    expect(calls).toEqual([show(peers(5)), show(peers(4))]);
  });

  it.each([
    ["is another cluster", 150n, 2n],
    ["was set back", 99n, 1n],
  ])("holds even one peer when the registry %s", async (_what, revision, clusterId) => {
    tracker.startFrom(peers(5), { clusterId: 1n, revision: 100n });
    await observe(leases(4), revision, clusterId);
    await clock.advance(SETTLE_MS);
    expect(tracker.status().peers.filter(({ isHeld }) => isHeld)).toMatchObject(peers(1, 5));
    expect(messages()).toContain("error Peers vanished from the registry, forwarding to them for now");
  });
});

describe("PeerTracker and the guard", () => {
  it("holds the peers of a wiped registry and takes them back as they return", async () => {
    await observe(leases(4));
    await observe([], 1n);
    await clock.advance(10_000);
    expect(calls).toEqual([show(peers(4))]);
    await observe(leases(2), 5n);
    expect(tracker.status().peers.map(({ isHeld }) => isHeld)).toEqual([false, false, true, true]);
    await observe(leases(4), 9n);
    await clock.advance(HOLD_MS);
    expect(calls).toEqual([show(peers(4))]);
  });

  it("notices a replaced registry among views that it takes together", async () => {
    await observe(leases(2), 100n);
    tracker.observe(view([], 3n));
    tracker.observe(view([], 4n));
    await clock.advance(SETTLE_MS + MIN_INTERVAL_MS);
    expect(calls).toEqual([show(peers(2))]);
  });

  it("takes deletions at their word again after a replacement", async () => {
    await observe(leases(4));
    await observe(leases(4), 1n);
    await observe(leases(3), 2n);
    await clock.advance(SETTLE_MS);
    expect(calls).toEqual([show(peers(4)), show(peers(3))]);
  });

  it("believes an empty registry when there were two peers", async () => {
    await observe(leases(2));
    await observe([], 101n);
    await clock.advance(SETTLE_MS);
    expect(calls).toEqual([show(peers(2)), []]);
  });

  it("keeps a peer whose lease was overwritten with a lie for the settle time, and says why it goes", async () => {
    await observe(leases(5));
    await observe([lease("10.244.1.0/24", "127.0.0.1", { revision: 50 }), ...leases(4, 2)]);
    await clock.advance(SETTLE_MS);
    expect(calls.at(-1)).toEqual(show(peers(4, 2)));
    expect(messages().slice(-2)).toEqual(["warn Lease rejected, not forwarding to it", "info Peer removed"]);
  });

  it("holds the peers when most leases are overwritten with lies", async () => {
    await observe(leases(5));
    await observe(leases(5).map(({ subnet }) => lease(subnet.toString(), "127.0.0.1", { revision: 50 })));
    await clock.advance(SETTLE_MS);
    expect(calls).toEqual([show(peers(5))]);
  });
});

describe("PeerTracker.setSelf", () => {
  it("does not tell of the lease that ours has replaced, from a view before that", async () => {
    const subnet = prefixOf("10.244.2.0/24");
    const former = lease("10.244.2.0/24", self.interfaceIp.toString(), { nodeId: "before-the-cleanup" });
    tracker.setSelf({ ...self, subnet: null });
    await observe([former], 100n);
    tracker.setSelf({ ...self, subnet }, 101n);
    expect(messages()).toEqual([]);
    await observe([{ ...former, revision: 102n }], 102n);
    expect(record.lines).toMatchObject([{ reason: "overlaps-own-subnet", revision: "102" }]);
  });

  it("tells of another node's lease with our address only once we have one of our own: until then it may become ours", async () => {
    const former = lease("10.244.9.0/24", self.interfaceIp.toString(), { nodeId: "before-the-cleanup" });
    tracker.setSelf({ ...self, subnet: null });
    await observe([former]);
    expect(messages()).toEqual([]);
    tracker.setSelf({ ...self, subnet: prefixOf("10.244.2.0/24") });
    expect(record.lines).toMatchObject([
      { msg: "Lease rejected, not forwarding to it", reason: "next-hop-self" },
    ]);
  });

  it("stops forwarding at once what our new subnet or address contradicts, held or not", async () => {
    await observe(leases(5));
    await observe(leases(1), 1n);
    tracker.setSelf({ ...self, subnet: prefixOf("10.244.2.0/24") });
    expect(calls.at(-1)).toEqual(show([...peers(1), ...peers(3, 3)]));
    tracker.setSelf({
      ...self,
      subnet: prefixOf("10.244.2.0/24"),
      interfaceIp: peers(1)[0]?.underlayIp ?? self.publicIp,
    });
    expect(calls.at(-1)).toEqual(show(peers(3, 3)));
  });

  it("forwards to what we gave up", async () => {
    await observe([lease("10.244.0.0/24", "192.0.2.11", { nodeId: "node-b" })]);
    expect(calls).toEqual([[]]);
    tracker.setSelf({ ...self, subnet: null });
    expect(calls).toEqual([[], ["10.244.0.0/24 via 192.0.2.11"]]);
  });

  it("works before the first view, too", () => {
    tracker.startFrom(peers(3), null);
    tracker.setSelf({ ...self, subnet: prefixOf("10.244.2.0/24") });
    expect(calls.at(-1)).toEqual(show([...peers(1), ...peers(1, 3)]));
  });
});

describe("PeerTracker.status", () => {
  it("counts the leases that are not used, by reason", async () => {
    await observe([
      lease("10.244.0.0/24", "192.0.2.10", { nodeId: "node-self" }),
      lease("10.244.1.0/24", "127.0.0.1"),
      lease("10.244.2.0/24", "127.0.0.2"),
      lease("10.244.3.0/24", "192.0.2.13", { nodeId: "node-c" }),
    ]);
    expect(tracker.status()).toEqual({
      peers: [{ ...peer("10.244.3.0/24", "192.0.2.13", { nodeId: "node-c" }), isHeld: false }],
      rejected: { own: 1, "next-hop-invalid": 2 },
    });
    await observe([]);
    expect(tracker.status().rejected).toEqual({});
  });
});

describe("PeerTracker.olderClaim", () => {
  it("is the lease that peers prefer to ours, until one of both is gone", async () => {
    const ours = lease("10.244.0.0/24", "192.0.2.10", { nodeId: "node-self", createRevision: 20 });
    const stale = lease("10.244.9.0/24", "192.0.2.10", { nodeId: "node-b", createRevision: 10 });
    expect(tracker.olderClaim).toBeNull();
    await observe([ours, stale]);
    expect(tracker.olderClaim).toBe(stale);
    await observe([ours]);
    expect(tracker.olderClaim).toBeNull();
  });
});

describe("the log of a PeerTracker", () => {
  it("has a line for each peer that comes, changes and goes", async () => {
    await observe(leases(1));
    await observe([lease("10.244.1.0/24", "192.0.2.99")]);
    await observe([]);
    await clock.advance(SETTLE_MS);
    expect(record.lines).toEqual([
      { level: "info", msg: "Peer added", subnet: "10.244.1.0/24", underlayIp: "192.0.2.101" },
      { level: "info", msg: "Peer changed", subnet: "10.244.1.0/24", underlayIp: "192.0.2.99" },
      { level: "info", msg: "Peer removed", subnet: "10.244.1.0/24", underlayIp: "192.0.2.99" },
    ]);
  });

  it("has one line for many", async () => {
    await observe(leases(100));
    expect(record.lines).toEqual([{ level: "info", msg: "Peers changed", added: 100 }]);
  });

  it("sums up a flood of changes, the last ones ten seconds later at the latest", async () => {
    for (let i = 1; i <= 40; i += 1) await observe(leases(i));
    expect(record.lines).toHaveLength(11);
    await clock.advance(10_000);
    expect(record.lines.slice(10)).toEqual([
      { level: "info", msg: "Peers changed", added: 1 },
      { level: "info", msg: "Peers changed", added: 29 },
    ]);
  });

  it("has one line for each write of a rejected lease and reason", async () => {
    const bad = lease("10.244.1.0/24", "127.0.0.1", { nodeId: "node-b", type: "vxlan", revision: 30 });
    for (let i = 0; i < 3; i += 1) await observe([bad]);
    expect(record.lines).toEqual([
      {
        level: "warn",
        msg: "Lease rejected, not forwarding to it",
        subnet: "10.244.1.0/24",
        reason: "next-hop-invalid",
        underlayIp: "127.0.0.1",
        nodeId: "node-b",
        backend: "vxlan",
        revision: "30",
      },
    ]);
    await observe([{ ...bad, revision: 31n }]);
    expect(record.lines.map(({ revision }) => revision)).toEqual(["30", "31"]);
    await observe([lease("10.245.1.0/24", "127.0.0.1", { revision: 31 }), { ...bad, revision: 31n }]);
    expect(record.lines.map(({ reason }) => reason)).toEqual([
      "next-hop-invalid",
      "next-hop-invalid",
      "outside-network",
    ]);
  });

  it("tells of a rejected lease again when the reason is another", async () => {
    await observe([lease("10.244.5.0/24", "127.0.0.1")]);
    tracker.setSelf({ ...self, subnet: prefixOf("10.244.5.0/24") });
    expect(record.lines.map(({ reason }) => reason)).toEqual(["next-hop-invalid", "overlaps-own-subnet"]);
  });

  it("has at most five lines a minute for a flood of rejections, and counts every one", async () => {
    for (let i = 1; i <= 40; i += 1) await observe([lease("10.244.1.0/24", "127.0.0.1", { revision: i })]);
    expect(record.lines).toHaveLength(5);
    await clock.advance(60_000);
    expect(record.lines.map(({ revision, leases: counts }) => revision ?? counts)).toEqual([
      ...["1", "2", "3", "4"],
      { "next-hop-invalid": 1 },
      { "next-hop-invalid": 35 },
    ]);
  });

  it("shows some of many rejected leases, and sums up the others by reason", async () => {
    await observe(Array.from({ length: 200 }, (_, i) => lease(`192.168.${i}.0/24`, "192.0.2.11")));
    expect(record.lines.slice(0, 4)).toMatchObject([
      { subnet: "192.168.0.0/24", reason: "outside-network" },
      { subnet: "192.168.1.0/24", reason: "outside-network" },
      { subnet: "192.168.2.0/24", reason: "outside-network" },
      { subnet: "192.168.3.0/24", reason: "outside-network" },
    ]);
    expect(record.lines.slice(4)).toEqual([
      {
        level: "warn",
        msg: "More leases rejected, not forwarding to them",
        leases: { "outside-network": 196 },
      },
    ]);
  });

  it("says nothing of our own lease", async () => {
    await observe([lease("10.244.0.0/24", "192.0.2.10", { nodeId: "node-self" })]);
    expect(record.lines).toEqual([]);
  });

  it("lets no lease forge a line or drive a terminal", async () => {
    await observe([lease("10.244.1.0/24", "127.0.0.1", { nodeId: "x\n\u009b2J", type: '"\u001b[2J' })]);
    expect(record.lines).toMatchObject([
      { nodeId: String.raw`x\u000a\u009b2J`, backend: String.raw`\"\u001b[2J` },
    ]);
  });

  it("has one alarm for a mass deletion", async () => {
    await observe(leases(30));
    await observe([]);
    await observe([]);
    await clock.advance(5_000);
    expect(record.lines.slice(1)).toEqual([
      {
        level: "error",
        msg: "Peers vanished from the registry, forwarding to them for now",
        cause: "mass-deletion",
        missing: 30,
        holdSeconds: 300,
      },
    ]);
    await clock.advance(HOLD_MS);
    expect(record.lines.slice(2)).toEqual([{ level: "info", msg: "Peers changed", removed: 30 }]);
  });
});
