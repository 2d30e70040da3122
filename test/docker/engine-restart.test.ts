/** dockerd and the agent share a host's firewall: what becomes of the overlay when dockerd starts and starts anew. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ContainerOptions, EngineContainer } from "../support/docker/engine-container.ts";
import { EngineLab, bridgeFlags } from "../support/docker/engine-lab.ts";
import type { EngineHost, EngineLabOptions } from "../support/docker/engine-lab.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";
import { NETWORK, createNetwork, startPlugin } from "../support/docker/plugin-network.ts";
import { eventually } from "../support/eventually.ts";
import type { LabHost } from "../support/lab.ts";
import { probed, showProbe } from "../support/pod-probe.ts";

/** From dockerd's first answer: by then it has written its rules. */
const RULES_BAR_MS = 2_000;

/** From the end of an agent in user space to the first packet that its successor carries, on a busy machine. */
const AGENT_BAR_MS = 15_000;

/** How containers get addresses of their host's lease. */
interface Way {
  readonly name: string;
  readonly engineFlags: Required<EngineLabOptions>["engineFlags"];
  /** Done to each host before its first container; what is to be ended with the suite. */
  readonly prepare: (host: EngineHost) => Promise<AsyncDisposable | null>;
  readonly container: ContainerOptions;
}

const WAYS: readonly Way[] = [
  { name: "--bip", engineFlags: bridgeFlags, prepare: () => Promise.resolve(null), container: {} },
  {
    name: "a network of the plugin",
    engineFlags: () => [],
    async prepare(host) {
      const plugin = await startPlugin(host);
      await createNetwork(host);
      return plugin;
    },
    container: { network: NETWORK },
  },
];

/** Of a rule in one of Docker's chains, which goes when dockerd writes them anew. */
const STALE = ["-m", "comment", "--comment", "stale"];

/** The rules that the agent made, as they stand: its chains with their jumps, and its guard. */
async function agentRules(host: LabHost): Promise<string[]> {
  const saved = (await host.execChecked(["iptables-save"])).split("\n");
  const guard = await host.execChecked(["nft", "list", "table", "ip", "twill-10.244.0.0-16"]);
  const lines = [...saved.filter((line) => line.includes("FLANNEL")), ...guard.split("\n")];
  return lines.map((line) => line.replaceAll(/\[[0-9]+:[0-9]+\]|packets [0-9]+ bytes [0-9]+/g, ""));
}

/** Resolves with the time from now until the agent's rules are these again. */
async function msUntilRules(host: LabHost, rules: readonly string[]): Promise<number> {
  const startMs = performance.now();
  await eventually(async () => expect(await agentRules(host)).toEqual(rules), { timeoutMs: RULES_BAR_MS });
  return performance.now() - startMs;
}

/** As many scripts do: Docker's rules are gone until dockerd restarts, and the policy DROP stays. */
async function flushFirewall(host: LabHost): Promise<void> {
  for (const table of ["filter", "nat"]) await host.execChecked(["iptables", "-t", table, "-F"]);
}

describeOnEngines.each(WAYS)("the overlay under a dockerd that turned forwarding on, with $name", (way) => {
  let lab: EngineLab | undefined;
  let first: EngineHost;
  let pair: readonly [EngineContainer, EngineContainer];
  const plugins: AsyncDisposable[] = [];
  beforeAll(async () => {
    lab = await EngineLab.create({
      // As a machine without Docker is: dockerd then turns forwarding on itself, and drops what nobody accepts.
      prepare: (host) => host.namespace.sysctl(["net.ipv4.ip_forward=0"]),
      // Without live-restore dockerd takes its containers with it.
      engineFlags: (file) => [...way.engineFlags(file), "--live-restore"],
    });
    for (const host of lab.hosts) {
      const plugin = await way.prepare(host);
      if (plugin !== null) plugins.push(plugin);
    }
    const [a, b] = lab.hosts;
    first = a;
    pair = [await a.engine.run("c1", way.container), await b.engine.run("c2", way.container)];
  });
  afterAll(async () => {
    for (const plugin of plugins) await plugin[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  it("passes the policy DROP of FORWARD", async () => {
    expect(await first.host.execChecked(["iptables", "-S", "FORWARD"])).toMatch(/^-P FORWARD DROP\n/);
    const [a, b] = pair;
    expect(await a.ping(b.address, { count: 100 })).toMatchObject({ sent: 100, lost: 0 });
    expect(await b.ping(a.address, { count: 100 })).toMatchObject({ sent: 100, lost: 0 });
  });

  it.each(["SIGTERM", "SIGKILL"] as const)(
    "loses no packet while dockerd ends by %s and starts, and dockerd then runs another container",
    async (signal) => {
      const { host, engine } = first;
      const rules = await agentRules(host);
      await host.execChecked(["iptables", "-A", "DOCKER", ...STALE, "-j", "RETURN"]);
      const counts = await probed(pair, async () => {
        await engine.stopDaemon(signal);
        await engine.startDaemon();
        const ms = await msUntilRules(host, rules);
        console.info(
          `${signal}: the agent's rules are whole ${ms.toFixed(0)} ms after dockerd's first answer`,
        );
      });
      console.info(`dockerd restarted after ${signal}: ${showProbe(counts)}`);
      expect(counts.map(({ lost }) => lost)).toEqual([0, 0]);
      expect(await host.execChecked(["iptables-save"])).not.toContain("stale"); // dockerd did write its chains anew

      const another = await engine.run(`after-${signal}`, way.container);
      expect(pair.map(({ address }) => address)).not.toContain(another.address);
      expect(await another.ping(pair[1].address, { count: 20, intervalMs: 10 })).toMatchObject({ lost: 0 });
    },
  );

  it("has its rules back within 2 s of a flush of all rules, and keeps them through a restart of dockerd", async () => {
    const { host, engine } = first;
    const rules = await agentRules(host);
    const counts = await probed(pair, async () => {
      await flushFirewall(host);
      const ms = await msUntilRules(host, rules);
      await engine.stopDaemon();
      await engine.startDaemon();
      const againMs = await msUntilRules(host, rules);
      console.info(`rules back ${ms.toFixed(0)} ms after the flush, ${againMs.toFixed(0)} ms after dockerd`);
    });
    console.info(`flush and restart of dockerd: ${showProbe(counts)}`);
    for (const { longestGapMs } of counts) expect(longestGapMs).toBeLessThan(RULES_BAR_MS);
  });

  it("goes on when the agent is killed and started again", async () => {
    const { host } = first;
    const counts = await probed(pair, async () => {
      host.agent.kill("SIGKILL");
      await host.agent.exited;
      await (await host.startAgent()).waitReady(AGENT_BAR_MS);
    });
    console.info(`agent killed and started: ${showProbe(counts)}`);
    for (const { longestGapMs } of counts) expect(longestGapMs).toBeLessThan(AGENT_BAR_MS);
    const [a, b] = pair;
    expect(await a.ping(b.address, { count: 20, intervalMs: 10 })).toMatchObject({ lost: 0 });
    expect(await b.ping(a.address, { count: 20, intervalMs: 10 })).toMatchObject({ lost: 0 });
  });
});
