import { describe, expect, it } from "vitest";
import { createLab } from "../support/lab.ts";

const MIB = 2 ** 20;
/** Seen: 90 to 97. An agent for which Node.js had to load its compiler for TypeScript has 12 to 25 MiB more. */
const MAX_RESIDENT_BYTES = 100 * MIB;
/** At most 0.5 % of a core. */
const MAX_CPU_PART = 0.005;
/** 50 ms of CPU at most; it is counted in ticks of 10 ms. */
const WATCH_MS = 10_000;

describe("an idle agent", () => {
  it.each(["native", "dgram"])("is small and costs next to no CPU, with %s", async (engine) => {
    await using lab = await createLab({ hosts: 2, pods: 0, agentFlags: [`--engine=${engine}`] });
    const host = lab.host(0);
    await host.agent.stop(); // the first start after a change fills the compile cache
    const agent = await host.startAgent([`--engine=${engine}`]);
    await agent.waitForPeers(1, 10_000);
    await agent.waitReady(10_000);
    const cpuMs = agent.cpuMs() ?? Number.NaN;

    await new Promise((resolve) => setTimeout(resolve, WATCH_MS)); // what is measured is a span of time

    const cpuPart = ((agent.cpuMs() ?? Number.NaN) - cpuMs) / WATCH_MS;
    const residentBytes = agent.residentBytes() ?? Number.NaN;
    console.info(
      `${engine}: ${(residentBytes / MIB).toFixed(1)} MiB resident, ${(cpuPart * 100).toFixed(2)} % of a core`,
    );
    expect(residentBytes).toBeLessThan(MAX_RESIDENT_BYTES);
    expect(cpuPart).toBeLessThanOrEqual(MAX_CPU_PART);
    expect((await agent.status()).datapath).toMatchObject({ engine });
  });
});
