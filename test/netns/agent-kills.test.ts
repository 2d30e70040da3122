/**
 * Agents that are killed, and end by themselves, again and again under traffic. Where the kernel forwards nothing is lost;
 * where the agent does, the gap is short.
 */
import { describe, expect, it } from "vitest";
import { endAgent, endRepeatedly } from "../support/agent-ends.ts";
import type { Ends, EndsSeen } from "../support/agent-ends.ts";
import { hostState } from "../support/host-state.ts";
import { createLab } from "../support/lab.ts";
import type { Lab } from "../support/lab.ts";
import { probed, showProbe } from "../support/pod-probe.ts";
import { seededRandom } from "../support/seeded-random.ts";

const SEED = 4_2026;
/** Of both hosts together, which go through them at the same time. */
const KILLS = 100;
const TERMS = 20;
const READY_TIMEOUT_MS = 20_000;

const IN_KERNEL = [
  { name: "vxlan kernel", backend: { Type: "vxlan" }, flags: ["--datapath=kernel"] },
  { name: "host-gw", backend: { Type: "host-gw" }, flags: [] },
];
const IN_USER_SPACE = [
  { name: "udp", backend: { Type: "udp" } },
  { name: "vxlan user", backend: { Type: "vxlan" } },
];
const USER_KILLS = 5;
/** The bar is 1 s; the rest is for a busy machine. */
const MAX_GAP_MS = 3_000;

/** Both agents ended again and again, each at its own moments; resolves with what was seen of both. */
async function endBoth(lab: Lab, ends: Omit<Ends, "random">): Promise<EndsSeen[]> {
  return await Promise.all(
    lab.hosts.map((host, i) => endRepeatedly(host, { ...ends, random: seededRandom(SEED + i) })),
  );
}

async function untilInStep(lab: Lab): Promise<void> {
  for (const { agent } of lab.hosts) {
    await agent.waitReady(READY_TIMEOUT_MS);
    await agent.waitForPeers(lab.hosts.length - 1, READY_TIMEOUT_MS);
  }
}

/** State of the kernel on both hosts, indexes of overlay devices included: one made anew has another. */
async function kernelState(lab: Lab): Promise<string[][]> {
  return await Promise.all(
    lab.hosts.map(async (host) => {
      const links = await host.execChecked(["ip", "-o", "link", "show"]);
      const overlayDevices = links.split("\n").filter((line) => line.includes("flannel"));
      return [...(await hostState(host)), ...overlayDevices];
    }),
  );
}

function showMoments(seen: readonly EndsSeen[]): string {
  const sums = new Map<string, number>();
  for (const { lastWords } of seen)
    for (const [words, count] of lastWords) sums.set(words, (sums.get(words) ?? 0) + count);
  const sorted = [...sums].sort(([, a], [, b]) => b - a);
  return sorted.map(([words, count]) => `  ${count} after "${words}"`).join("\n");
}

describe.each(IN_KERNEL)("agents of $name", ({ name, backend, flags }) => {
  it(`lose no packet and change nothing when they are killed ${KILLS} times, once without etcd, and end ${TERMS} times`, async () => {
    await using lab = await createLab({ hosts: 2, agentFlags: flags, networkConfig: { Backend: backend } });
    const [before, leases] = [await kernelState(lab), await lab.etcd.leases()];

    let seen: EndsSeen[] = [];
    const killed = await probed([lab.pod(0), lab.pod(1)], async () => {
      seen = await endBoth(lab, { signal: "SIGKILL", rounds: KILLS / lab.hosts.length });
      await untilInStep(lab);
    });
    console.info(`${name}, ${KILLS} kills: ${showProbe(killed)}\n${showMoments(seen)}`);
    expect(seen.flatMap(({ ends }) => ends)).toEqual(
      Array.from({ length: KILLS }, () => ({ code: null, signal: "SIGKILL" })),
    );
    expect(await kernelState(lab)).toEqual(before);

    const orphaned = await probed([lab.pod(0), lab.pod(1)], async () => {
      await lab.etcd.kill();
      for (const host of lab.hosts) {
        await endAgent(host, "SIGKILL");
        await (await host.startAgent()).waitForPeers(1, READY_TIMEOUT_MS);
      }
      await lab.etcd.start();
      await untilInStep(lab);
    });
    console.info(`${name}, killed without etcd: ${showProbe(orphaned)}`);

    const ended = await probed([lab.pod(0), lab.pod(1)], async () => {
      seen = await endBoth(lab, { signal: "SIGTERM", rounds: TERMS / lab.hosts.length });
      await untilInStep(lab);
    });
    console.info(`${name}, ${TERMS} times SIGTERM: ${showProbe(ended)}\n${showMoments(seen)}`);
    expect(seen.flatMap(({ ends }) => ends)).toEqual(
      Array.from({ length: TERMS }, () => ({ code: 0, signal: null })),
    );

    const losses = [killed, orphaned, ended].flat().map(({ lost }) => lost);
    expect(losses).toEqual([0, 0, 0, 0, 0, 0]);
    expect(await kernelState(lab)).toEqual(before);
    expect(await lab.etcd.leases()).toEqual(leases);
  });
});

describe.each(IN_USER_SPACE)("an agent of $name", ({ name, backend }) => {
  it("leaves a short gap when it is killed and started again, and nothing leaves in clear", async () => {
    await using lab = await createLab({ hosts: 2, networkConfig: { Backend: backend } });
    const gapsMs: number[] = [];
    for (let round = 0; round < USER_KILLS; round++) {
      const host = lab.host(round % 2);
      const probe = await probed([lab.pod(0), lab.pod(1)], async () => {
        await endAgent(host, "SIGKILL");
        await (await host.startAgent()).waitForPeers(1, READY_TIMEOUT_MS);
      });
      gapsMs.push(...probe.map(({ longestGapMs }) => longestGapMs ?? NaN));
      await untilInStep(lab);
    }
    console.info(`${name}, gaps after kill -9 and start: ${gapsMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    expect(Math.max(...gapsMs)).toBeLessThan(MAX_GAP_MS);
    expect(await lab.leaks()).toEqual({ fromOverlay: 0, toOverlay: 0 });
  });
});
