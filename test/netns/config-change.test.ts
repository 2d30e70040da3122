/** The network config in etcd is changed under agents that run: they say so once, and forward on by what they know. */
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { createLab } from "../support/lab.ts";
import type { LabAgent, LabHost } from "../support/lab.ts";

const NETWORK = "10.244.0.0/16";
/** Longer than agents wait between two lines about the config. */
const TOLD_WITHIN_MS = 10_000;

const CHANGED = "changed in etcd, restart the agent to apply it: ";
const UNUSABLE = "not usable in etcd, mend it before an agent is restarted: ";

/** Waits until the status of every one says `problem`, or its beginning. */
async function untilToldBy(agents: readonly LabAgent[], problem: string | null): Promise<void> {
  await eventually(
    async () => {
      for (const agent of agents) {
        const { configProblem } = await agent.status();
        expect(configProblem?.slice(0, problem?.length) ?? null).toBe(problem);
      }
    },
    { timeoutMs: TOLD_WITHIN_MS, pollMs: 100 },
  );
}

/** Level and facts of every line about a change of the config since `from`. */
async function configLines(agent: LabAgent, from: number): Promise<string[]> {
  const lines = (await agent.logLines()).slice(from);
  return lines
    .map((line) => JSON.parse(line) as { level: string; msg: string; changes?: string[]; reason?: string })
    .filter(({ msg }) => msg.startsWith("The network config "))
    .map(({ level, changes, reason }) =>
      [level, ...(changes ?? []), ...(reason === undefined ? [] : [reason])].join(": "),
    );
}

async function connectionsToEtcd(host: LabHost): Promise<number> {
  const argv = ["ss", "-Htn", "state", "established", "dport", "=", ":2379"];
  return (await host.execChecked(argv)).split("\n").filter((line) => line !== "").length;
}

describe("an agent whose network config is changed in etcd", () => {
  it("says so once for each change, loses no packet, and says when all is as before", async () => {
    await using lab = await createLab({ hosts: 2 });
    const [first, second] = [lab.host(0), lab.host(1)];
    const agents = [first.agent, second.agent];
    const before = await Promise.all(agents.map(async (agent) => (await agent.logLines()).length));
    const { subnet } = await first.agent.status();
    const ping = first.pod.startPing(second.pod.address, { intervalMs: 10 });

    await lab.etcd.putConfig({ Network: NETWORK, SubnetLen: 25, Backend: { Type: "vxlan", "V\u001b": 7 } });
    await untilToldBy(agents, `${CHANGED}SubnetLen 24 -> 25, `);
    await lab.etcd.putConfig(`{"Network":"${NETWORK}"\u0007\n`);
    await untilToldBy(agents, `${UNUSABLE}Cannot use the network config: it is not JSON, `);
    await lab.etcd.putConfig({ Network: NETWORK, Backend: { Type: "wireguard" } });
    await untilToldBy(
      agents,
      `${UNUSABLE}Cannot choose a backend: no support yet for flannel's type "wireguard"`,
    );
    await lab.etcd.putConfig(`  { "network": "${NETWORK}",\n "SubnetLen": 24 }`);
    await untilToldBy(agents, null);

    expect(await ping.stop()).toMatchObject({ lost: 0 });
    for (const [i, agent] of agents.entries()) {
      expect(await configLines(agent, before[i] ?? 0)).toEqual([
        "warn: SubnetLen 24 -> 25: SubnetMin 10.244.1.0 -> 10.244.0.128: SubnetMax 10.244.255.0 -> 10.244.255.128: " +
          'Backend.Type "udp" -> "vxlan": Backend.V\\u001b (absent) -> 7',
        expect.stringMatching(/^warn: Cannot use the network config: it is not JSON, "[\x20-\x7e]+"$/),
        expect.stringContaining("warn: Cannot choose a backend"),
        "info",
      ]);
      expect((await agent.readyz()).code).toBe(200);
    }
    expect((await first.agent.status()).subnet).toBe(subnet);
    expect((await first.agent.status()).registry.relists).toBe(0);
    expect(await connectionsToEtcd(first)).toBe(1);
  });

  it("tells of a change that was made while it was cut off, when etcd is back", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0 });
    const { agent } = lab.host(0);
    await lab.etcd.kill();
    await eventually(async () => !(await agent.status()).registry.isConnected);
    await lab.etcd.start();
    await lab.etcd.putConfig({ Network: NETWORK, EnableNFTables: true });
    await untilToldBy([agent], `${CHANGED}EnableNFTables false -> true`);
    await lab.etcd.etcdctl(["del", "/coreos.com/network/config"]);
    await untilToldBy(
      [agent],
      `${UNUSABLE}Cannot read the network config: key /coreos.com/network/config does not exist`,
    );
    await lab.etcd.putConfig({ Network: NETWORK });
    await untilToldBy([agent], null);
  });

  it("compares with the config on its disk when it was started from there with etcd away", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0 });
    const host = lab.host(0);
    await host.agent.stop();
    await lab.etcd.putConfig(`{ "network" : "${NETWORK}" }`);
    await lab.etcd.stop();
    const agent = await host.startAgent();
    await eventually(async () => (await agent.status()).lease.state === "cached");
    expect((await agent.status()).configProblem).toBeNull();
    await lab.etcd.start();
    await agent.waitReady(TOLD_WITHIN_MS);
    await lab.etcd.putConfig({ Network: NETWORK, Backend: { Type: "udp", Port: 9000 } });
    await untilToldBy([agent], `${CHANGED}Backend.Port (absent) -> 9000`);
    await lab.etcd.putConfig({ Network: NETWORK });
    await untilToldBy([agent], null);
    expect(await configLines(agent, 0)).toEqual(["warn: Backend.Port (absent) -> 9000", "info"]);
  });
});
