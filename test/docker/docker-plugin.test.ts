/** Networks of Docker's own `docker network create -d twill`, made by two engines on two hosts. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { PluginHost } from "../support/docker-plugin.ts";
import { WEB_DIRECTORY, WEB_PORT } from "../support/docker/busybox-image.ts";
import { itCarriesContainers } from "../support/docker/container-traffic.ts";
import { DockerEngine } from "../support/docker/docker-engine.ts";
import { EngineContainer } from "../support/docker/engine-container.ts";
import { EngineLab } from "../support/docker/engine-lab.ts";
import type { EngineHost } from "../support/docker/engine-lab.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";
import {
  CREATE_NETWORK,
  NETWORK,
  askEngineFlags,
  createNetwork,
  makePlugin,
  startPlugin,
} from "../support/docker/plugin-network.ts";
import { addressOf } from "../support/ipv4.ts";
import { createLab } from "../support/lab.ts";

const PUBLISHED_PORT = 18_080;
const ROUNDS = 10;
/** Five addresses for containers. Two have one all the time, and the rounds two more: each round takes one that came back. */
const SMALL_SUBNETS = { SubnetLen: 29 };
const RESTARTED = 3;
/** What dockerd waits for each request to a plugin that is not there. */
const MISSING_PLUGIN_WAIT_MS = 15_000;
/** Of a plugin and a container that dockerd starts with, on a busy machine; one request to nobody takes longer. */
const PLUGIN_START_BAR_MS = 10_000;
/** On a busy machine. */
const AGENT_START_TIMEOUT_MS = 30_000;

/** Ends dockerd, does something meanwhile, and starts it; resolves with the time that its start took. */
async function restartMs(engine: DockerEngine, meanwhile: () => Promise<void>): Promise<number> {
  await engine.stopDaemon();
  await meanwhile();
  const startMs = performance.now();
  await engine.startDaemon();
  return performance.now() - startMs;
}

describeOnEngines("docker network create -d twill", () => {
  describe("on two hosts", () => {
    const plugins: PluginHost[] = [];
    afterAll(async () => {
      for (const plugin of plugins) await plugin[Symbol.asyncDispose]();
    });

    itCarriesContainers({
      engineFlags: () => [],
      run: async (host, name) => {
        plugins.push(await startPlugin(host));
        await createNetwork(host);
        return await host.engine.run(name, { network: NETWORK });
      },
    });
  });

  describe("and its containers", () => {
    let lab: EngineLab | undefined;
    let plugin: PluginHost, pluginThere: PluginHost;
    let here: EngineHost, there: EngineHost;

    beforeAll(async () => {
      lab = await EngineLab.create({ networkConfig: SMALL_SUBNETS, engineFlags: () => [] });
      [here, there] = lab.hosts;
      [plugin, pluginThere] = [await startPlugin(here), await startPlugin(there)];
      for (const host of lab.hosts) await createNetwork(host);
    });
    afterAll(async () => {
      for (const one of [plugin, pluginThere]) await one[Symbol.asyncDispose]();
      await lab?.[Symbol.asyncDispose]();
    });

    it("find each other by name, and their published ports are those of the host", async () => {
      const publish = `--publish=${PUBLISHED_PORT}:${WEB_PORT}`;
      const web = await here.engine.run("web", { network: NETWORK, flags: [publish] });
      const asking = await here.engine.run("asking", { network: NETWORK });
      await web.dockerExec(["sh", "-c", `echo twill >${WEB_DIRECTORY}/word`]);
      expect(await asking.dockerExec(["wget", "-q", "-O", "-", `http://web:${WEB_PORT}/word`])).toBe(
        "twill\n",
      );
      const url = `http://${here.host.underlayIp}:${PUBLISHED_PORT}/word`;
      const elsewhere = await there.engine.run("elsewhere");
      expect(await elsewhere.dockerExec(["wget", "-q", "-O", "-", url])).toBe("twill\n");
    });

    it.each([
      [
        "a second network on the lease",
        [...CREATE_NETWORK, "second"],
        /has this host's lease \S+ already; use that one/,
      ],
      [
        "a subnet that is not the lease",
        [...CREATE_NETWORK, "--subnet=10.99.0.0/24", "x"],
        /10\.99\.0\.0\/24.*10\.244\./s,
      ],
      ["an option that nobody knows", [...CREATE_NETWORK, "--opt=colour=red", "x"], /colour/],
    ])("refuse %s with a sentence", async (_what, argv, sentence) => {
      await expect(here.engine.docker(argv)).rejects.toThrow(sentence);
    });

    it("are refused a network with a sentence where the host has no lease yet", async () => {
      await using early = await startPlugin(here, {
        driver: "early",
        subnetFile: "/run/twill-test/none.env",
      });
      expect(early.pid).toBeGreaterThan(0);
      const argv = ["network", "create", "--driver=early", "--ipam-driver=early", "early"];
      await expect(here.engine.docker(argv)).rejects.toThrow(/there is no \S+ yet; start twill agent/);
    });

    it("never have an address that another one has, round after round, whoever is killed", async () => {
      const inspected = async (): Promise<string[]> => {
        const [network] = JSON.parse(await here.engine.docker(["network", "inspect", NETWORK])) as [
          { Containers: Record<string, { IPv4Address: string }> },
        ];
        return Object.values(network.Containers).map(({ IPv4Address }) => IPv4Address);
      };
      const given: string[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        given.push((await here.engine.run(`r${round}`, { network: NETWORK })).address);
        const living = await inspected();
        expect(new Set(living).size).toBe(living.length);
        await plugin.end("SIGKILL");
        if (round % 2 === 0) await plugin.start(askEngineFlags(here));
        else plugin.launch(askEngineFlags(here));
        if (round > 0) await here.engine.docker(["rm", "--force", `r${round - 1}`]);
      }
      await plugin.waitReady();
      await here.engine.docker(["rm", "--force", `r${ROUNDS - 1}`]);
      console.info(`${given.length} addresses given, ${new Set(given).size} different ones`);
      expect(given.length - new Set(given).size).toBeGreaterThan(ROUNDS / 2);
    });

    it("are made while the agent is down, and reach the others when it is back", async () => {
      here.host.agent.kill("SIGKILL");
      await here.host.agent.exited;
      const lonely = await here.engine.run("lonely", { network: NETWORK });
      const other = await there.engine.run("other", { network: NETWORK });
      expect((await lonely.ping(other.address, { count: 1, lingerMs: 200 })).received).toBe(0);
      await (await here.host.startAgent(["--ip-masq"])).waitReady(AGENT_START_TIMEOUT_MS);
      await eventually(
        async () => (await lonely.ping(other.address, { count: 1, lingerMs: 200 })).lost === 0,
        { timeoutMs: 20_000 },
      );
      expect(await other.ping(lonely.address, { count: 20, intervalMs: 10 })).toMatchObject({ lost: 0 });
    });

    it("come up with dockerd while the agent is down and there is no lease, as after a boot", async () => {
      const { host, engine } = there;
      const names = Array.from({ length: RESTARTED }, (_, i) => `always${i}`);
      for (const name of names) await engine.run(name, { network: NETWORK, flags: ["--restart=always"] });
      host.agent.kill("SIGKILL");
      await host.agent.exited;
      const tookMs = await restartMs(engine, async () => {
        await pluginThere.end("SIGTERM");
        await rm(host.files.subnetFile);
        await pluginThere.start(askEngineFlags(there));
      });
      console.info(
        `dockerd answers after ${tookMs.toFixed(0)} ms, ${RESTARTED} containers of the plugin's among its own`,
      );
      expect(tookMs).toBeLessThan(MISSING_PLUGIN_WAIT_MS);
      const addresses = await eventually(
        async () =>
          Promise.all(
            names.map(async (name) => (await EngineContainer.find(engine, host.namespace, name)).address),
          ),
        { timeoutMs: 20_000 },
      );
      expect(new Set(addresses).size).toBe(RESTARTED);
    });
  });

  it("starts the plugin by a socket that systemd holds, and dockerd in its normal time with nobody behind that", async () => {
    await using lab = await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] });
    const host = lab.host(0);
    await using engine = await DockerEngine.start(host.namespace);
    const place = { host, engine };
    await using plugin = await makePlugin(place);
    const flags = askEngineFlags(place);
    const normalMs = await restartMs(engine, () => Promise.resolve());
    const heldMs = await restartMs(engine, () => plugin.holdSocket(flags));
    expect(plugin.isHeld).toBe(true); // a network of twill is what dockerd asks for, and there is none
    await createNetwork(place);
    expect(plugin.isHeld).toBe(false);

    await engine.run("always", { network: NETWORK, flags: ["--restart=always"] });
    const askedMs = await restartMs(engine, async () => {
      expect(await plugin.end("SIGTERM")).toBe(0);
      await plugin.holdSocket(flags);
    });
    expect(plugin.isHeld).toBe(false); // dockerd asked for the network's pool
    const always = await eventually(() => EngineContainer.find(engine, host.namespace, "always"));
    expect((await host.subnetFile()).subnet.contains(addressOf(always.address))).toBe(true);
    console.info(
      `dockerd answers after ${normalMs.toFixed(0)} ms, ${heldMs.toFixed(0)} ms with the socket, ${askedMs.toFixed(0)} ms with a network and a container`,
    );
    for (const ms of [heldMs, askedMs]) expect(ms - normalMs).toBeLessThan(PLUGIN_START_BAR_MS);
  });

  it("lets dockerd start with containers that it kept alive when the lease has moved, and tells the next one", async () => {
    await using lab = await createLab({ hosts: 1, etcd: false });
    const { namespace } = lab.host(0);
    await using engine = await DockerEngine.start(namespace, ["--live-restore"]);
    await using plugin = await PluginHost.create(namespace, null, join(engine.pluginDirectory, "twill.sock"));
    await plugin.setLease("10.244.7.0/24");
    const flags = [`--docker-socket=${engine.socket}`];
    await plugin.start(flags);
    await engine.docker([...CREATE_NETWORK, NETWORK]);
    const kept = await engine.run("kept", { network: NETWORK });
    await restartMs(engine, () => plugin.setLease("10.244.9.0/24")); // 20.10 ends by a panic when its pool is refused

    expect((await EngineContainer.find(engine, namespace, "kept")).pid).toBe(kept.pid);
    await expect(engine.run("next", { network: NETWORK })).rejects.toThrow("is no more this host's");
    await engine.docker(["rm", "--force", "kept", "next"]);
    await engine.docker(["network", "rm", NETWORK]);
    await engine.docker([...CREATE_NETWORK, NETWORK]);
    expect((await engine.run("anew", { network: NETWORK })).address).toBe("10.244.9.2");
  });
});
