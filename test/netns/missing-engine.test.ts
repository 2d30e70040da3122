/** An agent of a checkout in which the native packet engine was not built. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { copyProgram } from "../support/copied-program.ts";
import { networkState } from "../support/host-snapshot.ts";
import { createLab } from "../support/lab.ts";
import type { Lab, LabAgent } from "../support/lab.ts";

const EXIT_FAILURE = 1;

/** The command of a twill in the lab's folder that has all but the native engine. */
async function programWithoutEngine(lab: Lab): Promise<string[]> {
  return await copyProgram(join(lab.directory, "checkout"), ["twill_tun.node"]);
}

/** Lines of the log that are no mere information. */
async function alarms(agent: LabAgent): Promise<{ readonly level: string; readonly err?: string }[]> {
  const lines = (await agent.logLines()).map((line) => JSON.parse(line) as { readonly level: string });
  return lines.filter(({ level }) => level !== "info");
}

describe("an agent without the native packet engine", () => {
  it("says so once, with what to run, and carries packets with dgram", async () => {
    await using lab = await createLab({ hosts: 2, agents: false });
    const program = await programWithoutEngine(lab);
    const agents = [await lab.host(0).startAgent([], { program }), await lab.host(1).startAgent()];
    for (const agent of agents) {
      await agent.waitForPeers(1, 10_000);
      await agent.waitReady(10_000);
    }
    await lab.addPods(1);
    expect(await lab.host(0).pod.ping(lab.host(1).pod.address, { count: 20 })).toMatchObject({ lost: 0 });
    const [withoutEngine, withEngine] = await Promise.all(agents.map((agent) => agent.status()));
    expect(withoutEngine?.datapath).toMatchObject({ engine: "dgram", queues: 1, offload: "off" });
    expect(withEngine?.datapath).toMatchObject({ engine: "native" });
    expect(withoutEngine?.peers[0]?.counters?.encapPackets).toBeGreaterThanOrEqual(20);
    expect(await alarms(lab.host(0).agent)).toEqual([
      expect.objectContaining({
        level: "warn",
        code: "ERR_ADDON_MISSING",
        err: expect.stringContaining("build/twill_engine.node is missing") as unknown,
        remedy: "scripts/build-native",
      }),
    ]);
  });

  it("does not start when it is told to use it, and touches nothing", async () => {
    await using lab = await createLab({ hosts: 1, agents: false });
    const host = lab.host(0);
    const before = await networkState(host);
    const agent = await host.startAgent(["--engine=native"], { program: await programWithoutEngine(lab) });
    expect(await agent.exited).toEqual({ code: EXIT_FAILURE, signal: null });
    expect(await alarms(agent)).toEqual([
      expect.objectContaining({ level: "fatal", code: "ERR_ADDON_MISSING" }),
    ]);
    expect(await networkState(host)).toBe(before);
    expect(await lab.etcd.leases()).toEqual(new Map());
  });
});
