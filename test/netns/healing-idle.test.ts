/** A host where nothing happens is left alone: looking is no writing. */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { hostState } from "../support/host-state.ts";
import { WAYS, useHealingLabs } from "../support/healing-lab.ts";
import type { Place } from "../support/healing-lab.ts";
import { monitorFirewall, monitorKernel } from "../support/kernel-monitor.ts";

const IDLE_MS = 10_000;
/** Somebody's route beside ours, now and then: it makes the agent look. */
const POKE_EVERY_MS = 2_000;
const POKE = "10.244.254.0/24";

const labs = useHealingLabs();

/** What the kernel and nftables told of a host while it was idle. */
interface IdleTime {
  /** Of the route that came and went. */
  readonly pokes: number;
  /** What else was written. */
  readonly kernel: readonly string[];
  readonly firewall: readonly string[];
}

async function watchIdle({ host, way }: Place): Promise<IdleTime> {
  const objects = ["link", "address", "rule", ...(way.deviceName === null ? [] : ["neigh"])];
  const kernel = await monitorKernel(host, objects);
  const firewall = await monitorFirewall(host);
  for (let idleMs = 0; idleMs < IDLE_MS; idleMs += POKE_EVERY_MS) {
    await host.namespace.ip([`route add ${POKE} dev br-other`, `route del ${POKE} dev br-other`]);
    await delay(POKE_EVERY_MS); // what is watched is a span of time
  }
  const notices = (await kernel.stop()).map(({ text }) => text);
  const isPoke = (text: string): boolean => text.includes(POKE);
  const isArp = (text: string): boolean => /^\S+ dev (eth0|br-pods) /.test(text); // of etcd's connections
  return {
    pokes: notices.filter(isPoke).length,
    kernel: notices.filter((text) => !isPoke(text) && !isArp(text)),
    firewall: await firewall.stop(),
  };
}

describe("an idle host", () => {
  it("is not written to for ten seconds, by any backend", async () => {
    const places: Place[] = [];
    for (const way of WAYS) places.push(await labs.place(way)); // a process makes one lab at a time
    const states = await Promise.all(places.map(({ host }) => hostState(host)));
    const watched = await Promise.all(places.map(watchIdle));
    const pokes = 2 * (IDLE_MS / POKE_EVERY_MS); // it comes, it goes
    expect(watched).toEqual(places.map(() => ({ pokes, kernel: [], firewall: [] })));
    expect(await Promise.all(places.map(({ host }) => hostState(host)))).toEqual(states);
  });
});
