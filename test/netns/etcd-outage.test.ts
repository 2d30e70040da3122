/**
 * etcd goes away in every way it can, under traffic. The facts are the same each time: no packet lost, little
 * CPU, few log lines, back in step soon after.
 */
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabAgent } from "../support/lab.ts";
import { cutFromEtcd, deleteLease, putLease } from "../support/lab-registry.ts";

const PING_INTERVAL_MS = 10;
/** The kernel's timer rounds 10 ms up to 16; the rest is for a busy machine. */
const SLOWEST_PING_MS = 50;
const MAX_CPU_PERCENT = 2;
const MAX_LINES_PER_MINUTE = 10;
const IN_STEP_WITHIN_MS = 6_000;
const STALE_WITHIN_MS = 20_000;
/** Between questions while an agent's CPU time is measured: answering costs it some. */
const RELAXED_POLL_MS = 250;
const NETWORK_CONFIG = { Network: "10.244.0.0/16" };
/** A lease written after the fault: the agents are in step when they forward to it. */
const NEWCOMER = { subnet: "10.244.250.0-24", publicIp: "198.51.100.250" };

/** Labs are made one after the other: a process claims one name at a time. */
let lastMade: Promise<unknown> = Promise.resolve();

/** Pings both ways between the first two hosts; the third has no traffic and shows what the outage alone costs. */
async function createOutageLab(): Promise<Lab> {
  const made = lastMade.then(() => createLab({ hosts: 3 }));
  lastMade = made.catch(() => undefined);
  return await made;
}

/** Pings both ways for so long; resolves with what each direction lost. */
async function pingBothWays(lab: Lab, durationMs: number): Promise<{ sent: number; lost: number }[]> {
  const [a, b] = [lab.host(0).pod, lab.host(1).pod];
  const probe = { intervalMs: PING_INTERVAL_MS };
  const pings = [a.startPing(b.address, probe), b.startPing(a.address, probe)];
  const endMs = performance.now() + durationMs;
  await eventually(() => performance.now() >= endMs, { timeoutMs: durationMs + 5_000 });
  return await Promise.all(pings.map(async (ping) => await ping.stop()));
}

/** Pings for so long and says what the agents spent and wrote meanwhile. */
async function pingAndWatch(lab: Lab, durationMs: number): Promise<void> {
  const idle = lab.host(2).agent;
  const linesBefore = await countLines(lab);
  const cpuBefore = idle.cpuMs() ?? Number.NaN;
  const startMs = performance.now();
  const pings = await pingBothWays(lab, durationMs);
  const tookMs = performance.now() - startMs;
  const cpuPercent = (((idle.cpuMs() ?? Number.NaN) - cpuBefore) / tookMs) * 100;
  const lines = (await countLines(lab)).map((count, i) => count - (linesBefore[i] ?? 0));
  const sent = pings.map((ping) => ping.sent);
  console.info(
    `${(tookMs / 1000).toFixed(0)} s: ${sent.join("+")} pings, CPU ${cpuPercent.toFixed(2)} %, log lines ${lines.join("/")}`,
  );
  for (const ping of pings) {
    expect(ping.lost).toBe(0);
    expect(ping.sent).toBeGreaterThan(durationMs / SLOWEST_PING_MS);
  }
  expect(cpuPercent).toBeLessThan(MAX_CPU_PERCENT);
  for (const written of lines)
    expect(written).toBeLessThanOrEqual(MAX_LINES_PER_MINUTE * Math.max(1, tookMs / 60_000));
}

async function countLines(lab: Lab): Promise<number[]> {
  return await Promise.all(lab.hosts.map(async ({ agent }) => (await agent.logLines()).length));
}

async function forwardsTo(agent: LabAgent, subnet: string): Promise<boolean> {
  return (await agent.status()).peers.some((peer) => peer.subnet === subnet.replace("-", "/"));
}

/** Writes a lease and waits until every agent forwards to it; resolves with the time since `sinceMs`. */
async function msUntilInStep(lab: Lab, sinceMs: number): Promise<number> {
  await putLease(lab, NEWCOMER);
  await eventually(
    async () =>
      (await Promise.all(lab.hosts.map(({ agent }) => forwardsTo(agent, NEWCOMER.subnet)))).every(Boolean) &&
      (await Promise.all(lab.hosts.map(({ agent }) => agent.readyz()))).every(({ code }) => code === 200),
    { timeoutMs: 30_000 },
  );
  const tookMs = performance.now() - sinceMs;
  console.info(`in step ${tookMs.toFixed(0)} ms after etcd's return`);
  return tookMs;
}

async function expectSound(lab: Lab): Promise<void> {
  expect(await lab.leakedPackets()).toBe(0);
  for (const { agent } of lab.hosts) expect(agent.isRunning).toBe(true);
}

// Those that wait for long wait side by side, each in a lab of its own.
describe("when etcd", () => {
  it("is killed and started again, no packet is lost and the agents are in step within 6 s", async () => {
    await using lab = await createOutageLab();
    const watched = pingAndWatch(lab, 10_000);
    await lab.etcd.kill();
    await lab.etcd.start();
    expect(await msUntilInStep(lab, performance.now())).toBeLessThan(IN_STEP_WITHIN_MS);
    await watched;
    await expectSound(lab);
  });

  it("is compacted while the agents are connected, no packet is lost and they stay in step", async () => {
    await using lab = await createOutageLab();
    const watched = pingAndWatch(lab, 5_000);
    for (let round = 0; round < 5; round++) {
      await putLease(lab, { subnet: `10.244.${200 + round}.0-24`, publicIp: `198.51.100.${round + 1}` });
      await lab.etcd.compact();
    }
    expect(await msUntilInStep(lab, performance.now())).toBeLessThan(IN_STEP_WITHIN_MS);
    for (const { agent } of lab.hosts) await agent.waitForPeers(2 + 5 + 1, 5_000);
    await watched;
    await expectSound(lab);
  });

  it.concurrent("is stopped for 60 s, no packet is lost and the agents are in step within 6 s", async () => {
    await using lab = await createOutageLab();
    await lab.etcd.stop();
    await pingAndWatch(lab, 60_000);
    for (const { agent } of lab.hosts) expect((await agent.readyz()).code).toBe(503);
    await lab.etcd.start();
    expect(await msUntilInStep(lab, performance.now())).toBeLessThan(IN_STEP_WITHIN_MS);
    await expectSound(lab);
  });

  it.concurrent("is compacted while an agent is cut off, what was deleted meanwhile is applied", async () => {
    await using lab = await createOutageLab();
    const cutOff = lab.host(0);
    const doomed = { subnet: "10.244.240.0-24", publicIp: "198.51.100.240" };
    await putLease(lab, doomed);
    await cutOff.agent.waitForPeers(3, 5_000);

    const cut = await cutFromEtcd(cutOff);
    const watched = pingAndWatch(lab, 20_000);
    await eventually(async () => (await cutOff.agent.readyz()).code === 503, {
      timeoutMs: STALE_WITHIN_MS,
      pollMs: RELAXED_POLL_MS,
    });
    await deleteLease(lab, doomed.subnet);
    await lab.etcd.compact();
    await watched;
    await cut.restore();
    expect(await msUntilInStep(lab, performance.now())).toBeLessThan(IN_STEP_WITHIN_MS);
    await eventually(async () => !(await forwardsTo(cutOff.agent, doomed.subnet)), { timeoutMs: 5_000 });
    await expectSound(lab);
  });

  it.concurrent("is frozen for 30 s, that is noticed within 20 s and no packet is lost", async () => {
    await using lab = await createOutageLab();
    lab.etcd.pause();
    const frozenMs = performance.now();
    const watched = pingAndWatch(lab, 30_000);
    await eventually(
      async () =>
        (await Promise.all(lab.hosts.map(({ agent }) => agent.readyz()))).every(({ code }) => code === 503),
      { timeoutMs: 30_000, pollMs: RELAXED_POLL_MS },
    );
    const noticedMs = performance.now() - frozenMs;
    console.info(`frozen etcd noticed after ${noticedMs.toFixed(0)} ms`);
    expect(noticedMs).toBeLessThan(STALE_WITHIN_MS);
    await watched;
    lab.etcd.resume();
    expect(await msUntilInStep(lab, performance.now())).toBeLessThan(IN_STEP_WITHIN_MS);
    await expectSound(lab);
  });

  it.concurrent("is wiped, every host claims its subnet again and no packet is lost", async () => {
    await using lab = await createOutageLab();
    const subnets = [...(await lab.etcd.leases()).keys()];
    const watched = pingAndWatch(lab, 15_000);
    await lab.etcd.wipe();
    await lab.etcd.putConfig(NETWORK_CONFIG);
    const backMs = performance.now();
    await eventually(
      async () => {
        const now = await lab.etcd.leases();
        return subnets.every((subnet) => now.has(subnet));
      },
      { timeoutMs: 30_000 },
    );
    expect(performance.now() - backMs).toBeLessThan(IN_STEP_WITHIN_MS);
    expect(await msUntilInStep(lab, backMs)).toBeLessThan(IN_STEP_WITHIN_MS);
    await watched;
    expect([...(await lab.etcd.leases()).keys()]).toEqual(expect.arrayContaining(subnets));
    await expectSound(lab);
  });
});
