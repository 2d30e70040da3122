/** What becomes of our routes, neighbour and FDB entries by other people's hands. */
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { hostState } from "../support/host-state.ts";
import {
  HOST_GW,
  UDP,
  VXLAN_KERNEL,
  VXLAN_USER,
  WAYS,
  becomes,
  expectNoLeak,
  heals,
  linesSince,
  ownRoute,
  useHealingLabs,
} from "../support/healing-lab.ts";
import { monitorKernel } from "../support/kernel-monitor.ts";

/** The bar is 1 s; the rest is for a busy machine. */
const WITHIN_MS = 3_000;
const FIGHT_MS = 5_000;
/** One at once and one a second, and one more for a second that was cut in two. */
const MIN_WRITES = 4;
/**
 * Bar: one write a second for each object. Times are those at which the notifications are read, of which a busy machine puts
 * single ones off; so each write has half of its second for itself, and all together have theirs.
 */
const MIN_WRITE_INTERVAL_MS = 500;
const MIN_MEAN_INTERVAL_MS = 950;
const LEFT = "Route of somebody else has the place of ours, leaving it";

const labs = useHealingLabs();

describe.each(WAYS)("routes of $name", (way) => {
  it("come back when all of ours are flushed", async () => {
    const place = await labs.place(way);
    const flush = ["ip", "route", "flush", "proto", "84"];
    await heals(place, "routes flushed", () => place.host.execChecked(flush), { withinMs: WITHIN_MS });
  });

  it("get back their mark when somebody makes the very same one", async () => {
    const place = await labs.place(way);
    const own = await ownRoute(place);
    const take = [`route replace ${own.destination} ${own.way} proto static`];
    await heals(place, "same route of somebody else", () => place.host.namespace.ip(take), {
      withinMs: WITHIN_MS,
    });
  });

  it("are written at most once a second when a program deletes them as fast as it can", async () => {
    const place = await labs.place(way);
    const { destination, way: by } = await ownRoute(place);
    const monitor = await monitorKernel(place.host);
    const fight = `yes 'route del ${destination} ${by} proto 84' | timeout ${FIGHT_MS / 1000} ip -force -batch - 2>/dev/null`;
    const startMs = Date.now();
    const { healedMs } = await heals(
      place,
      "deleter of 5 s",
      async () => expect(await place.host.exec(["sh", "-c", fight])).toMatchObject({ code: 124 }),
      { withinMs: WITHIN_MS },
    );
    const notices = await monitor.stop();
    const ours = notices.filter(({ text }) => text.includes(`${destination} `) && text.includes(" proto 84"));
    const writes = ours.filter(({ text }) => !text.startsWith("Deleted "));
    const atMs = writes.map((write) => write.atMs - startMs);
    console.info(`${way.name}: written after ${atMs.join(", ")} ms, ${healedMs.toFixed(0)} ms after the end`);
    expect(writes.length).toBeGreaterThanOrEqual(MIN_WRITES); // damped, and never given up
    const intervals = atMs.slice(1).map((ms, i) => ms - (atMs[i] ?? 0));
    expect(Math.min(...intervals)).toBeGreaterThanOrEqual(MIN_WRITE_INTERVAL_MS);
    const meanMs = intervals.reduce((sum, ms) => sum + ms, 0) / intervals.length;
    expect(meanMs).toBeGreaterThanOrEqual(MIN_MEAN_INTERVAL_MS);
  });
});

describe.each([UDP, VXLAN_USER])("the overlay route of $name", (way) => {
  it("takes its place back from another one: the network is the device's", async () => {
    const place = await labs.place(way);
    const take = ["route replace 10.244.0.0/16 via 192.0.2.254 dev eth0"];
    await heals(place, "route replaced", () => place.host.namespace.ip(take), { withinMs: WITHIN_MS });
  });
});

describe.each([VXLAN_KERNEL, HOST_GW])("a peer's route of $name", (way) => {
  it("is left to whoever replaced it, and comes back when his is gone", async () => {
    const place = await labs.place(way);
    const { host } = place;
    const { destination } = await ownRoute(place);
    const [before, logged] = [await hostState(host), (await host.agent.logLines()).length];
    await host.namespace.ip([`route replace ${destination} via 192.0.2.254 dev eth0 proto static`]);
    await eventually(async () => (await linesSince(host, logged)).some(({ msg }) => msg === LEFT));
    await host.pod.ping(place.peer.pod.address, { count: 20, lingerMs: 50 }); // his route carries them nowhere
    const taken = await host.execChecked(["ip", "route", "show", destination]);
    expect(taken.trim()).toBe(`${destination} via 192.0.2.254 dev eth0 proto static`);
    await expectNoLeak(place);

    await host.namespace.ip([`route del ${destination} proto static`]);
    await becomes(host, before, WITHIN_MS);
    expect((await linesSince(host, logged)).filter(({ msg }) => msg === LEFT)).toHaveLength(1);
    expect(await host.pod.ping(place.peer.pod.address, { count: 20 })).toMatchObject({ lost: 0 });
  });
});

describe("entries of the kernel's vxlan device", () => {
  it("come back when neighbour and FDB entries are flushed", async () => {
    const place = await labs.place(VXLAN_KERNEL);
    const { host } = place;
    const flush = async (): Promise<void> => {
      await host.execChecked(["ip", "neigh", "flush", "dev", "flannel.1", "nud", "permanent"]);
      await host.execChecked(["bridge", "fdb", "flush", "dev", "flannel.1", "self"]);
    };
    await heals(place, "neighbour and FDB entries flushed", flush, { withinMs: WITHIN_MS });
  });

  it("come back when they are pointed elsewhere, and what was added goes", async () => {
    const place = await labs.place(VXLAN_KERNEL);
    const { host, peer } = place;
    const { address } = (await peer.subnetFile()).subnet;
    const spoil = async (): Promise<void> => {
      await host.namespace.ip([
        `neigh replace ${address.toString()} lladdr 02:00:5e:00:53:02 dev flannel.1 nud permanent`,
        "neigh add 10.244.198.0 lladdr 02:00:5e:00:53:03 dev flannel.1 nud permanent",
      ]);
      const entry = ["fdb", "append", "02:00:5e:00:53:03", "dev", "flannel.1", "dst", "192.0.2.254", "self"];
      await host.execChecked(["bridge", ...entry]);
    };
    await heals(place, "entries changed", spoil, { withinMs: WITHIN_MS });
  });
});
