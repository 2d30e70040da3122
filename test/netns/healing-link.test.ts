/** The underlay's device goes down and up under running agents. */
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { WAYS, heals, restoreUnderlay, useHealingLabs } from "../support/healing-lab.ts";
import type { Place } from "../support/healing-lab.ts";

/** The bar is 2 s; the rest is for a busy machine. */
const WITHIN_MS = 6_000;
const OUTAGE_MS = 1_000;
const FLAPS = 20;
const FLAP_MS = 100;
/** What the agent says when the device goes down between its look and its write. */
const CANNOT_WRITE = "Cannot bring forwarding up to date, will retry";

const labs = useHealingLabs();

/** Down and up again, with the routes that the kernel drops put back as a network manager does. */
async function flap({ host }: Place, downMs: number): Promise<void> {
  await host.namespace.ip(["link set eth0 down"]);
  await delay(downMs); // the fault is a span of time
  await host.namespace.ip(["link set eth0 up"]);
  await restoreUnderlay(host);
}

describe.each(WAYS)("an underlay device that goes down, with $name", (way) => {
  it("comes back after a second: so does all that led over it", async () => {
    const place = await labs.place(way);
    const { subnet } = await place.host.agent.status();
    await heals(place, "eth0 down for 1 s", () => flap(place, OUTAGE_MS), { withinMs: WITHIN_MS });
    expect((await place.host.agent.status()).subnet).toBe(subnet);
  });

  it("flaps twenty times: all ends as it was", async () => {
    const place = await labs.place(way);
    const leases = await place.lab.etcd.leases();
    const subnetFile = await readFile(place.host.files.subnetFile, "utf8");
    const flapping = async (): Promise<void> => {
      for (let i = 0; i < FLAPS; i++) {
        await flap(place, FLAP_MS / 2);
        await delay(FLAP_MS / 2);
      }
    };
    await heals(place, `${FLAPS} flaps`, flapping, {
      withinMs: WITHIN_MS,
      expectedErrors: [CANNOT_WRITE],
    });
    expect(await place.lab.etcd.leases()).toEqual(leases);
    expect(await readFile(place.host.files.subnetFile, "utf8")).toBe(subnetFile);
  });
});
