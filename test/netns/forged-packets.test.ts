import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { OPTIMISED, buildCProgram } from "../support/build-c-program.ts";
import type { CProgram } from "../support/build-c-program.ts";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabHost } from "../support/lab.ts";
import { guardDrops } from "../support/stranger-lab.ts";

const ENGINES = ["native", "dgram"];
const UDP_PORT = "8285";
/** The stranger is the underlay's own bridge: an address that no lease has. */
const STRANGER = "192.0.2.250";
const FORGED = 1_000_000;
/** dgram takes one call for each: a tenth shows the same. */
const FORGED_FOR_DGRAM = 100_000;
const SEED = "20";
/** What still waits in the queue when the last one was sent is little. */
const COUNTED_TIMEOUT_MS = 20_000;
const PROBES = 1_000;
/** 1 % of the probes, beyond what a flood costs that no agent sees. */
const MAX_LOST_PROBES = 10;
/** Nobody has it at the victim: the kernel drops what comes, and hardly ever says so (icmp_ratelimit). */
const CLOSED_PORT = "9";
const MIN_FLOOD = 100_000;
/** What the allocator and the collector of an agent that answers for its status move by themselves. */
const MAX_MEMORY_GROWTH = 4 * 2 ** 20;

let sender: CProgram;
beforeAll(async () => {
  sender = await buildCProgram(join(import.meta.dirname, "../support/forged-datagrams.c"), [], OPTIMISED);
});
afterAll(() => sender[Symbol.asyncDispose]());

/** First address of a host's subnet. */
async function subnetOf(host: LabHost): Promise<string> {
  return (await host.subnetFile()).subnet.address.toString();
}

/** Command line of the sender, which pretends to be the node `own` and writes to `victim`. */
async function forge(lab: Lab, source: string, count: number, port = UDP_PORT): Promise<string[]> {
  const [own, victim, third] = await Promise.all([1, 0, 2].map((index) => subnetOf(lab.host(index))));
  const target = lab.host(0).underlayIp;
  return [sender.path, source, target, port, `${count}`, SEED, own ?? "", victim ?? "", third ?? ""];
}

/** Of the engine, and what the guard keeps from it. */
async function decapCounters(host: LabHost): Promise<Record<string, number>> {
  const { counters } = await host.agent.status();
  const decap = Object.entries(counters).filter(([name]) => name.startsWith("decap"));
  return { ...Object.fromEntries(decap), guardDropStranger: 0, ...(await guardDrops(host)) };
}

function sumOfDrops(counters: Record<string, number>): number {
  return Object.entries(counters)
    .filter(([name]) => /^(decap|guard)Drop/.test(name))
    .reduce((sum, [, count]) => sum + count, 0);
}

/**
 * Packets that the kernel dropped between sender and victim, because a core was behind with what it had
 * (net.core.netdev_max_backlog): no agent can have counted them.
 */
async function backlogDrops(lab: Lab): Promise<number> {
  const ends = [
    { namespace: lab.underlay, isOnTheWay: () => true },
    { namespace: lab.host(0).namespace, isOnTheWay: (name: string) => name === "eth0" },
  ];
  const drops = ends.map(async ({ namespace, isOnTheWay }) => {
    const links = JSON.parse(await namespace.execChecked(["ip", "-j", "-s", "link"])) as LinkJson[];
    return links
      .filter(({ ifname }) => isOnTheWay(ifname))
      .reduce((sum, { stats64 }) => sum + stats64.rx.dropped, 0);
  });
  return (await Promise.all(drops)).reduce((sum, count) => sum + count, 0);
}

interface LinkJson {
  readonly ifname: string;
  readonly stats64: { readonly rx: { readonly dropped: number } };
}

/** What the victim counts of a flood, and what the kernel dropped before it could. */
interface Toll {
  readonly counters: Record<string, number>;
  readonly backlog: number;
}

async function readToll(lab: Lab): Promise<Toll> {
  return { counters: await decapCounters(lab.host(0)), backlog: await backlogDrops(lab) };
}

/** Waits until each of `count` datagrams is either refused or was dropped on its way. */
async function untilCounted(lab: Lab, before: Toll, count: number): Promise<Toll> {
  return await eventually(
    async () => {
      const toll = await readToll(lab);
      const refused = sumOfDrops(toll.counters) - sumOfDrops(before.counters);
      expect(refused + toll.backlog - before.backlog).toBeGreaterThanOrEqual(count);
      expect(refused).toBeLessThanOrEqual(count);
      return toll;
    },
    { timeoutMs: COUNTED_TIMEOUT_MS },
  );
}

it.each(ENGINES)("%s delivers none of the packets that a peer forges, and counts each", async (engine) => {
  await using lab = await createLab({ hosts: 3, agentFlags: [`--engine=${engine}`] });
  const [victim, peer] = [lab.host(0), lab.host(1)];
  const count = engine === "native" ? FORGED : FORGED_FOR_DGRAM;
  const before = await eventually(() => readToll(lab)); // no readiness waits for the guard

  const sent = await peer.namespace.execChecked(await forge(lab, peer.underlayIp, count), {
    timeoutMs: 120_000,
  });

  expect(Number(sent)).toBe(count);
  const { counters: after } = await untilCounted(lab, before, count);
  expect(after.decapDelivered).toBe(before.counters.decapDelivered);
  for (const name of [
    "decapDropVersion",
    "decapDropHeaderLength",
    "decapDropTotalLength",
    "decapDropChecksum",
    "decapDropMartian",
    "decapDropForeignSource",
    "decapDropForeignDestination",
    "decapDropTtl",
  ]) {
    expect(after[name], name).toBeGreaterThan(count / 50);
  }
  expect(await victim.pod.ping(lab.host(1).pod.address)).toMatchObject({ lost: 0 });
});

it.each(ENGINES)("%s delivers nothing of a stranger", async (engine) => {
  await using lab = await createLab({ hosts: 3, agentFlags: [`--engine=${engine}`] });
  const victim = lab.host(0);
  const count = engine === "native" ? FORGED : FORGED_FOR_DGRAM;
  await lab.underlay.ip([`addr add ${STRANGER}/32 dev br0`]);
  await victim.namespace.ip([`route add ${STRANGER}/32 dev eth0`]);
  const before = await eventually(() => readToll(lab)); // no readiness waits for the guard

  const sent = await lab.underlay.execChecked(await forge(lab, STRANGER, count), { timeoutMs: 120_000 });

  expect(Number(sent)).toBe(count);
  const { counters: after } = await untilCounted(lab, before, count);
  expect(after.decapDelivered).toBe(before.counters.decapDelivered);
  const otherDrops = ({
    decapDropStranger: _stranger,
    guardDropStranger: _guarded,
    decapDropQueueFull: _full,
    ...others
  }: Toll["counters"]): number => sumOfDrops(others);
  expect(otherDrops(after)).toBe(otherDrops(before.counters));
});

it("a stranger's flood costs its peers no packet, no memory and no control", async () => {
  await using lab = await createLab({ hosts: 3, agentFlags: ["--engine=native"] });
  const [victim, peer] = [lab.host(0), lab.host(1)];
  await lab.underlay.ip([`addr add ${STRANGER}/32 dev br0`]);
  await victim.namespace.ip([`route add ${STRANGER}/32 dev eth0`]);
  const strangers = async (): Promise<number> => {
    const { decapDropStranger = 0, guardDropStranger = 0 } = await decapCounters(victim);
    return decapDropStranger + guardDropStranger;
  };
  /** Probes lost beside a flood; then what `look` sees while it goes on. */
  const lostBesideFlood = async <T>(port: string, look: () => Promise<T>): Promise<[number, T]> => {
    const flood = lab.underlay.start(await forge(lab, STRANGER, 0, port), { stdio: "ignore" });
    const ended = once(flood, "exit");
    try {
      const { sent, lost } = await peer.pod.ping(victim.pod.address, { count: PROBES, intervalMs: 2 });
      expect(sent).toBe(PROBES);
      const seen = await look();
      expect(flood.exitCode).toBeNull(); // it flooded to the end
      return [lost, seen];
    } finally {
      flood.kill("SIGKILL");
      await ended;
    }
  };
  const look = async (): Promise<{ strangers: number; memory: number }> => ({
    strangers: await strangers(),
    memory: victim.agent.residentBytes() ?? NaN,
  });

  const [lostAnyway, idle] = await lostBesideFlood(CLOSED_PORT, look);
  const [lostFirst, first] = await lostBesideFlood(UDP_PORT, look);
  const [lostThen, [second, stopped]] = await lostBesideFlood(
    UDP_PORT,
    async () => [await look(), await victim.agent.stop()] as const,
  );

  console.info(
    `lost beside a flood to a closed port ${lostAnyway}, to the agent ${lostFirst} and ${lostThen}`,
  );
  expect(Math.max(lostFirst, lostThen)).toBeLessThanOrEqual(lostAnyway + MAX_LOST_PROBES);
  expect(first.strangers - idle.strangers).toBeGreaterThan(MIN_FLOOD);
  expect(second.strangers - first.strangers).toBeGreaterThan(MIN_FLOOD);
  expect(second.memory - first.memory).toBeLessThan(MAX_MEMORY_GROWTH);
  expect(stopped).toMatchObject({ code: 0 });
});
