/** The underlay's MTU changes under running agents: the overlay's follows, and so does what containers are told. */
import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { WAYS, heals, useHealingLabs } from "../support/healing-lab.ts";
import type { Place } from "../support/healing-lab.ts";

/** The bar is 2 s; the rest is for a busy machine. */
const WITHIN_MS = 6_000;
const LOW_MTU = 1400;

const labs = useHealingLabs();

/** Waits until device, subnet file and status say what follows from this underlay MTU; resolves with the time that took. */
async function follows({ way, host }: Place, underlayMtu: number): Promise<number> {
  const overlayMtu = underlayMtu - way.overheadBytes;
  const startMs = performance.now();
  await eventually(
    async () => {
      expect(await readFile(host.files.subnetFile, "utf8")).toContain(`FLANNEL_MTU=${overlayMtu}\n`);
      expect(await host.agent.status()).toMatchObject({ overlayMtu });
      if (way.deviceName === null) return;
      const link = await host.execChecked(["ip", "link", "show", "dev", way.deviceName]);
      expect(link).toContain(` mtu ${overlayMtu} `);
    },
    { timeoutMs: WITHIN_MS },
  );
  return performance.now() - startMs;
}

/** Sends one packet that must not be cut; resolves with what ping printed. */
async function pingWhole({ host, peer }: Place, bytes: number): Promise<string> {
  const argv = ["ping", "-n", "-c", "1", "-w", "10", "-M", "do", "-s", `${bytes - 28}`, peer.pod.address];
  return (await host.pod.exec(argv)).stdout;
}

describe.each(WAYS)("the MTU of $name", (way) => {
  it("follows the underlay's down and up, and what is too big is answered with it", async () => {
    const place = await labs.place(way);
    const { host } = place;
    const subnetFile = await readFile(host.files.subnetFile, "utf8");
    const overlayMtu = LOW_MTU - way.overheadBytes;
    const lowerAndRaise = async (): Promise<void> => {
      await host.namespace.ip([`link set eth0 mtu ${LOW_MTU}`]);
      const loweredMs = await follows(place, LOW_MTU);
      console.info(`${way.name}: followed the lower MTU after ${loweredMs.toFixed(0)} ms`);
      const refused = await pingWhole(place, overlayMtu + 1);
      expect(refused).toContain("1 packets transmitted, 0 received, +1 errors");
      expect(refused.match(/Frag needed and DF set \(mtu = [0-9]+\)/g)).toEqual([
        `Frag needed and DF set (mtu = ${overlayMtu})`,
      ]);
      await host.pod.execChecked(["ip", "route", "flush", "cache"]); // which knows the way's MTU now
      expect(await pingWhole(place, overlayMtu)).toContain(" 1 received");
      await host.namespace.ip(["link set eth0 mtu 1500"]);
    };
    await heals(place, "MTU lowered and raised", lowerAndRaise, { withinMs: WITHIN_MS });
    await follows(place, 1500);
    expect(await readFile(host.files.subnetFile, "utf8")).toBe(subnetFile);
    expect(await pingWhole(place, 1500 - way.overheadBytes)).toContain(" 1 received");
  });
});
