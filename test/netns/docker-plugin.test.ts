/** The Docker plugin as a process in a namespace, with a test in the place of dockerd. */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PluginHost } from "../support/docker-plugin.ts";
import { eventually } from "../support/eventually.ts";
import { devicesWithMasters } from "../support/host-devices.ts";
import { KillRounds, MAX_ANSWERS } from "../support/kill-rounds.ts";
import { DockerNetwork, hostNamespace } from "../support/libnetwork.ts";
import type { Container, HostNamespace } from "../support/libnetwork.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";

const SUBNET = "10.244.7.0/24";
/** 61 addresses for containers: 100 rounds give each of them several times. */
const SMALL_SUBNET = "10.244.7.64/26";
const MTU = 1472;
/** Of IPv4 and ICMP. */
const PING_HEADERS = 28;
const REPAIR_TIMEOUT_MS = 20_000;

let place: NetworkNamespace;
let host: HostNamespace;
let plugin: PluginHost;
let containers: Container[];

beforeEach(async () => {
  containers = [];
  place = await NetworkNamespace.create();
  host = hostNamespace(place);
  plugin = await PluginHost.create(place);
  await plugin.setLease(SUBNET, MTU);
});
afterEach(async () => {
  await plugin[Symbol.asyncDispose]();
  for (const { namespace } of containers) await namespace[Symbol.asyncDispose]();
  await place[Symbol.asyncDispose]();
});

async function connect(network: DockerNetwork, ip?: string): Promise<Container> {
  const container = await network.connect(ip);
  containers.push(container);
  return container;
}

async function disconnect(network: DockerNetwork, container: Container): Promise<void> {
  containers = containers.filter((one) => one !== container);
  await network.disconnect(container);
}

/** One packet of this size that may not be cut; throws when no answer comes. */
async function ping(from: Container, target: string, bytes = 84): Promise<void> {
  const args = ["-n", "-c", "1", "-w", "10", "-M", "do", "-s", `${bytes - PING_HEADERS}`, bareOf(target)];
  await from.namespace.run("ping", args);
}

function bareOf(address: string): string {
  return address.split("/")[0] ?? "";
}

async function mtuOf(namespace: NetworkNamespace, device: string): Promise<number | undefined> {
  const links = JSON.parse(await namespace.run("ip", ["-j", "link", "show", "dev", device])) as {
    mtu: number;
  }[];
  return links[0]?.mtu;
}

describe("twill docker-plugin", () => {
  it("connects containers to each other and the host with the lease's addresses and exact MTU, and leaves nothing", async () => {
    await plugin.start();
    const network = await DockerNetwork.create(plugin, host);
    expect(network).toMatchObject({ pool: SUBNET, gateway: "10.244.7.1/24" });
    const bridge = `tw-${network.id.slice(0, 12)}`;
    const [a, b] = [await connect(network), await connect(network)];
    expect([a.address, b.address]).toEqual(["10.244.7.2/24", "10.244.7.3/24"]);
    const hostEnds = [a, b].map(({ endpointId }) => `twh${endpointId.slice(0, 12)} on ${bridge}`);
    expect(await devicesWithMasters(host)).toEqual([bridge, ...hostEnds].sort());

    await ping(a, b.address, MTU);
    await ping(b, network.gateway);
    await expect(ping(a, b.address, MTU + 1)).rejects.toThrow(/message too long|Message too long/);
    expect([await mtuOf(a.namespace, "eth0"), await mtuOf(place, bridge)]).toEqual([MTU, MTU]);
    expect(await mtuOf(place, hostEnds[0]?.split(" ")[0] ?? "")).toBe(MTU);
    expect(await a.namespace.run("ip", ["route"])).toContain("10.244.0.0/16 via 10.244.7.1 dev eth0");
    expect(await a.namespace.run("ip", ["route"])).not.toContain("default");

    await disconnect(network, a);
    await disconnect(network, b);
    expect(await devicesWithMasters(host)).toEqual([bridge]);
    await network.remove();
    expect(await devicesWithMasters(host)).toEqual([]);
    expect(await plugin.end("SIGTERM")).toBe(0);
  });

  it("gives the address that --ip names, with Docker's own IPAM too, and the default route with gateway=overlay", async () => {
    await plugin.start();
    const network = await DockerNetwork.create(plugin, host, {
      subnet: SUBNET,
      ipam: "default",
      options: { bridge: "ov0", gateway: "overlay" },
    });
    const a = await connect(network, "10.244.7.200");
    expect(await devicesWithMasters(host)).toEqual(["ov0", `twh${a.endpointId.slice(0, 12)} on ov0`]);
    expect(await a.namespace.run("ip", ["route"])).toContain("default via 10.244.7.1 dev eth0");
    await ping(a, network.gateway);
    await expect(network.createEndpoint("10.244.7.200/24")).rejects.toThrow(
      `Cannot connect the container: 10.244.7.200 is that of endpoint ${a.endpointId.slice(0, 12)}; choose another one, or leave --ip out`,
    );
    await network.remove();
    expect(await devicesWithMasters(host)).toEqual([]);

    const second = await DockerNetwork.create(plugin, host, { subnet: SUBNET });
    expect(await second.requestAddress("10.244.7.77")).toBe("10.244.7.77/24");
    await expect(second.requestAddress("10.244.7.77")).rejects.toThrow(
      "Cannot give 10.244.7.77: it is held by a container that is starting, a --aux-address",
    );
  });

  it("says in one sentence, at once, why there is no network", async () => {
    await plugin.setLease(null);
    await plugin.start();
    const startMs = performance.now();
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow(
      `Cannot use this host's subnet: there is no ${join(plugin.directory, "subnet.env")} yet; start twill agent and wait for its lease`,
    );
    expect(performance.now() - startMs).toBeLessThan(2000);

    await plugin.setLease(SUBNET);
    await host.ip(["link", "add", "docker0", "type", "bridge"]);
    await host.ip(["address", "add", "10.244.7.1/24", "dev", "docker0"]);
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow(
      "Cannot make the network: device docker0 has 10.244.7.1 of this host's lease 10.244.7.0/24, which carries one network; start Docker with a --bip beside the overlay: without one it keeps that of its last start",
    );
    await host.ip(["address", "del", "10.244.7.1/24", "dev", "docker0"]);
    await expect(DockerNetwork.create(plugin, host, { options: { bridge: "docker0" } })).rejects.toThrow(
      "Cannot make the bridge docker0: a device of this name is there that is not this network's; remove it (ip link del docker0), or give another name with -o bridge=NAME",
    );
    await host.ip(["link", "del", "docker0"]);

    const first = await DockerNetwork.create(plugin, host);
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow(
      `network ${first.id.slice(0, 12)} has this host's lease 10.244.7.0/24 already`,
    );
    await expect(
      DockerNetwork.create(plugin, host, { subnet: "172.18.0.0/16", ipam: "default" }),
    ).rejects.toThrow(
      "Cannot make the network: its subnet 172.18.0.0/16 is not this host's lease 10.244.7.0/24; use: docker network create -d twill --ipam-driver twill NAME",
    );
    expect(await devicesWithMasters(host)).toEqual([`tw-${first.id.slice(0, 12)}`]);
  });

  it("never gives an address that a container has over 100 kills in the middle of requests, and gives what came back", async () => {
    await plugin.setLease(SMALL_SUBNET, MTU);
    await plugin.start();
    const network = await DockerNetwork.create(plugin, host);
    const seen = new KillRounds(plugin, network);
    for (let round = 0; round < 100; round++) await seen.run(round % MAX_ANSWERS);
    console.info(
      `${seen.given} addresses given, ${seen.givenAgain} of them again; ${seen.unanswered} requests without an answer`,
    );
    expect(seen.givenTwice).toEqual([]);
    expect(seen.given).toBeGreaterThan(100);
    expect(seen.givenAgain).toBeGreaterThan(50);
    expect(seen.unanswered).toBeGreaterThan(20);
    const known = [...seen.standing].map((id) => `twh${id.slice(0, 12)} on tw-${network.id.slice(0, 12)}`);
    expect((await devicesWithMasters(host)).filter((name) => name.startsWith("twh"))).toEqual(known.sort());
  }, 300_000);

  it("makes a bridge again that somebody deletes, with its containers on it, and one that a restart did not find", async () => {
    await plugin.start();
    const network = await DockerNetwork.create(plugin, host);
    const [a, b] = [await connect(network), await connect(network)];
    const before = await devicesWithMasters(host);
    const bridge = `tw-${network.id.slice(0, 12)}`;
    // Twice while it runs: the first may be found by a look that was due anyway.
    for (const isRunning of [true, true, false]) {
      if (!isRunning) await plugin.end("SIGKILL");
      await host.ip(["link", "del", bridge]);
      if (!isRunning) await plugin.start();
      await eventually(async () => expect(await devicesWithMasters(host)).toEqual(before), {
        timeoutMs: REPAIR_TIMEOUT_MS,
      });
      await eventually(() => ping(a, b.address), { timeoutMs: REPAIR_TIMEOUT_MS });
      await ping(b, network.gateway);
      expect(await mtuOf(place, bridge)).toBe(MTU);
    }
    await disconnect(network, a);
    await disconnect(network, b);
    await network.remove();
    expect(await devicesWithMasters(host)).toEqual([]);
  });

  it("collects at its start the devices of what is no more, and no others", async () => {
    await plugin.start();
    const network = await DockerNetwork.create(plugin, host);
    await connect(network);
    const kept = await devicesWithMasters(host);
    const state = JSON.parse(await readFile(join(plugin.stateDir, "state.json"), "utf8")) as {
      instanceId: string;
    };
    const lost = "f".repeat(64);
    for (const [name, alias] of [
      [`twh${lost.slice(0, 12)}`, `twill-docker:${state.instanceId}:endpoint:${lost}`],
      ["twhother", `twill-docker:00000000:endpoint:${lost}`],
      ["twhforeign", "somebody's"],
    ] as const) {
      await host.ip(["link", "add", name, "type", "veth", "peer", "name", `p${name.slice(3, 10)}`]);
      await host.ip(["link", "set", name, "alias", alias]);
    }
    await plugin.end("SIGKILL");
    await plugin.start();
    const others = ["twhforeign", "twhother", "pforeign", "pother"];
    await eventually(async () => expect(await devicesWithMasters(host)).toEqual([...kept, ...others].sort()));
  });

  it("serves networks after a restart of dockerd with the agent down, and says so when the lease has moved", async () => {
    await plugin.start();
    const network = await DockerNetwork.create(plugin, host);
    await plugin.end("SIGKILL");
    await plugin.setLease(null);
    await plugin.start();
    await network.replay();
    const a = await connect(network);
    await ping(a, network.gateway);

    await plugin.setLease("10.244.9.0/24");
    const short = network.id.slice(0, 12);
    const sentence = `Cannot use network ${short}: its subnet 10.244.7.0/24 is no more this host's, whose lease is 10.244.9.0/24 now; remove its containers or disconnect them (docker network inspect ${short} names those that run), then make it again: docker network rm ${short} && docker network create -d twill --ipam-driver twill NAME`;
    await network.replay(); // dockerd would not start without it
    await expect(network.requestAddress()).rejects.toThrow(sentence);
    await expect(network.createEndpoint("10.244.7.9/24")).rejects.toThrow(sentence);
    await disconnect(network, a);
    await network.remove();
    const moved = await DockerNetwork.create(plugin, host);
    expect(moved.pool).toBe("10.244.9.0/24");
  });

  it("is started by the first request to a socket that systemd holds for it, answers that, and leaves the socket", async () => {
    await plugin.holdSocket();
    expect(plugin.isHeld).toBe(true);
    expect(await plugin.ask("Plugin.Activate", {})).toEqual({ Implements: ["NetworkDriver", "IpamDriver"] });
    expect(plugin.isHeld).toBe(false);
    expect(await plugin.end("SIGTERM")).toBe(0);
    expect(existsSync(plugin.socket)).toBe(true);
  });

  it("frees by hand the lease of a network that Docker has forgotten", async () => {
    await plugin.start();
    const lost = await DockerNetwork.create(plugin, host);
    await lost.createEndpoint(await lost.requestAddress());
    const short = lost.id.slice(0, 12);
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow(
      `twill docker-plugin --forget ${short})`,
    );
    expect(await plugin.run(["--forget", "beef"])).toEqual({
      code: 2,
      output: `twill: Cannot forget network "beef": no id begins so; known are: ${lost.id}\n`,
    });
    expect(await plugin.run(["--forget", short])).toEqual({ code: 0, output: `forgot network ${lost.id}\n` });
    expect(await devicesWithMasters(host)).toEqual([]);
    const network = await DockerNetwork.create(plugin, host);
    expect(await network.requestAddress()).toBe("10.244.7.3/24"); // .2 was given last
    await plugin.end("SIGKILL");
    expect((await plugin.run(["--forget", network.id])).output).toContain(
      `Cannot ask the plugin at ${plugin.socket}`,
    );
  });

  it("runs once for each state directory and socket, takes a dead one's socket, and refuses a state that it cannot read", async () => {
    await plugin.start();
    await using other = await PluginHost.create(place);
    other.launch([`--state-dir=${plugin.stateDir}`]);
    await eventually(() =>
      expect(other.output).toContain(`process ${plugin.pid} holds ${plugin.stateDir}/lock`),
    );
    await other.end("SIGKILL");
    other.launch([`--socket=${plugin.socket}`]);
    await eventually(() =>
      expect(other.output).toContain(`another process answers on ${plugin.socket}, give another --socket`),
    );
    await plugin.end("SIGKILL");
    await plugin.start(); // the socket is still there
    await plugin.end("SIGTERM");
    await writeFile(join(plugin.stateDir, "state.json"), '{"format":1');
    plugin.launch();
    await eventually(() =>
      expect(plugin.output).toContain(
        "state.json: it is not JSON; remove the containers and networks of twill from Docker",
      ),
    );
  });
});
