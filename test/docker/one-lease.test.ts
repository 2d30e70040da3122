/** A lease carries one network: whichever way the first one took, a second one is refused by a sentence with its fix. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CniHost } from "../support/cni-host.ts";
import { PluginHost } from "../support/docker-plugin.ts";
import { DockerEngine } from "../support/docker/docker-engine.ts";
import { describeOnEngines } from "../support/docker/engine-machine.ts";
import { engineDirectory } from "../support/docker/engine-name.ts";
import { createLab } from "../support/lab.ts";
import type { LabHost } from "../support/lab.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));

/** What an operator is told, by the way that was tried; null where nothing was refused. */
interface Refusals {
  readonly dockerNetwork: string | null;
  readonly plugin: string | null;
  /** docker-opts, which runs before dockerd does. */
  readonly bip: string | null;
  readonly cni: string | null;
}

/** A sentence that begins and ends like this. */
function sentence(...parts: readonly string[]): unknown {
  return expect.stringMatching(
    new RegExp(parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*"), "s"),
  );
}

describeOnEngines("a second network on one lease", () => {
  const made = new AsyncDisposableStack();
  let host: LabHost, engine: DockerEngine, cni: CniHost;

  beforeAll(async () => {
    const lab = made.use(await createLab({ hosts: 1, pods: 0, agentFlags: ["--ip-masq"] }));
    host = lab.host(0);
    engine = made.use(await DockerEngine.start(host.namespace));
    const socket = join(engine.pluginDirectory, "twill.sock");
    const plugin = made.use(await PluginHost.create(host.namespace, host.files.subnetFile, socket));
    await plugin.start([`--docker-socket=${engine.socket}`]);
    cni = made.use(new CniHost(host));
  });
  afterAll(() => made.disposeAsync());

  /** Runs `twill` as an operator of the host; resolves with what it said when it failed. */
  async function twill(...args: string[]): Promise<string | null> {
    const { code, stderr } = await host.exec([TWILL, ...args], { env: engine.clientEnvironment });
    return code === 0 ? null : stderr.trim();
  }
  const dockerNetwork = (...args: string[]): Promise<string | null> =>
    twill("docker-network", "create", `--subnet-file=${host.files.subnetFile}`, ...args);
  const dockerOpts = (...args: string[]): Promise<string | null> =>
    twill("docker-opts", "-f", host.files.subnetFile, "-d", `${host.files.runDirectory}/opts.env`, ...args);

  async function createByPlugin(name: string): Promise<string | null> {
    const argv = ["docker", "network", "create", "--driver=twill", "--ipam-driver=twill", name];
    const { code, stderr } = await host.exec(argv, { env: engine.clientEnvironment });
    return code === 0 ? null : stderr.trim();
  }

  async function attach(): Promise<string | null> {
    const config = { delegate: { bridge: "cni9" } };
    const { code, stdout } = await cni.call("ADD", await cni.create(), { config });
    return code === 0 ? null : (stdout as { msg: string }).msg;
  }

  /** Tries every way, and sees that none leaves anything. */
  async function tryAll(): Promise<Refusals> {
    const before = await describeHost();
    const told = {
      dockerNetwork: await dockerNetwork("second"),
      plugin: await createByPlugin("second"),
      bip: await dockerOpts("--require-lease"),
      cni: await attach(),
    };
    expect(await describeHost()).toEqual(before);
    return told;
  }

  /** Docker's networks, and the host's bridges with their addresses. */
  async function describeHost(): Promise<readonly string[]> {
    const networks = await engine.docker(["network", "ls", "--format", "{{.Name}} {{.Driver}}"]);
    const bridges = await host.execChecked(["ip", "-j", "-4", "address", "show", "type", "bridge"]);
    const facts = JSON.parse(bridges) as { ifname?: string; addr_info?: { local: string }[] }[];
    return [
      networks,
      ...facts.map(({ ifname, addr_info }) => `${ifname ?? ""} ${addr_info?.[0]?.local ?? ""}`),
    ];
  }

  it("is refused beside that of docker-network create", async () => {
    const { subnet, gateway } = await host.subnetFile();
    expect(await dockerNetwork("first")).toBeNull();
    const device = `device twill0 has ${gateway.toString()} of this host's lease ${subnet.toString()}`;
    expect(await tryAll()).toEqual({
      dockerNetwork: sentence(
        `Cannot make network "second": Docker's network "first" has ${subnet.toString()}`,
        "docker network rm first",
      ),
      plugin: sentence("Cannot make the network:", device, "docker network rm"),
      bip: sentence(`Cannot give Docker the subnet`, device, "run dockerd without --bip"),
      cni: sentence("Cannot attach the container: device twill0 has", "docker network rm"),
    });
    expect(await dockerNetwork("first")).toBeNull(); // it does not stand in its own way
    await engine.docker(["network", "rm", "first"]);
  });

  it("is refused beside that of the plugin", async () => {
    const { subnet, gateway } = await host.subnetFile();
    expect(await createByPlugin("first")).toBeNull();
    const id = await engine.docker(["network", "inspect", "--format={{.Id}}", "first"]);
    const bridge = `tw-${id.slice(0, 12)}`;
    expect(await tryAll()).toEqual({
      dockerNetwork: sentence(
        `Cannot make network "second": Docker's network "first" has ${subnet.toString()}`,
        "docker network rm first",
      ),
      plugin: sentence("Cannot make the network: network", "has this host's lease", "docker network rm"),
      bip: sentence(
        `Cannot give Docker the subnet`,
        `device ${bridge} has ${gateway.toString()}`,
        "docker network rm",
        "--forget",
        `ip link delete dev ${bridge}`,
      ),
      cni: sentence(`Cannot attach the container: device ${bridge} has`, "docker network rm"),
    });
    await engine.docker(["network", "rm", "first"]);
  });

  it("is refused beside the bridge of twill-cni", async () => {
    const { gateway } = await host.subnetFile();
    const container = await cni.create();
    await cni.add(container);
    const device = `device cni0 has ${gateway.toString()}`;
    expect(await tryAll()).toEqual({
      dockerNetwork: sentence(`Cannot make network "second": ${device}`, "ip link delete dev cni0"),
      plugin: sentence(`Cannot make the network: ${device}`, "ip link delete dev cni0"),
      bip: sentence(
        "Cannot give Docker the subnet",
        device,
        "run dockerd without --bip, or",
        "ip link delete dev cni0",
      ),
      cni: sentence("Cannot attach the container: device cni0 has", "ip link delete dev cni0"),
    });
    await cni.call("DEL", container);
    await host.execChecked(["ip", "link", "delete", "dev", "cni0"]);
  });

  it("is refused beside docker0 with --bip", async () => {
    const { subnet, gateway, overlayMtu } = await host.subnetFile();
    expect(await dockerOpts("--require-lease")).toBeNull();
    const bip = `${gateway.toString()}/${subnet.length}`;
    await engine.stopDaemon();
    const configFile = join(engineDirectory(engine.name), "daemon.json");
    await writeFile(configFile, JSON.stringify({ bip, mtu: overlayMtu, "ip-masq": false }));
    await engine.startDaemon();
    expect(await tryAll()).toEqual({
      dockerNetwork: sentence(
        `Cannot make network "second": Docker's network "bridge" has ${subnet.toString()}`,
        "with dockerd's --bip there every container is on the overlay already",
      ),
      plugin: sentence(`Cannot make the network: device docker0 has ${gateway.toString()}`, "a --bip beside"),
      bip: null,
      cni: sentence("Cannot attach the container: device docker0 has", "a --bip beside"),
    });

    expect(await dockerOpts("--check")).toBeNull();
    await host.execChecked(["ip", "link", "add", "name", "late0", "type", "bridge"]);
    await host.execChecked(["ip", "address", "add", bip, "dev", "late0"]);
    expect(await dockerOpts("--check")).toEqual(sentence("Cannot use Docker's bridge: device late0 has"));
    await host.execChecked(["ip", "link", "delete", "dev", "late0"]);

    await engine.stopDaemon();
    await writeFile(configFile, "{}");
    await host.execChecked(["ip", "link", "delete", "dev", "docker0"]);
    await engine.startDaemon(); // without --bip: it makes docker0 again as it was
    expect(await createByPlugin("third")).toEqual(
      sentence("device docker0 has", "start Docker with a --bip beside the overlay"),
    );
    await engine.stopDaemon();
    await writeFile(configFile, JSON.stringify({ bip: "192.0.2.1/28" }));
    await engine.startDaemon();
    expect(await createByPlugin("third")).toBeNull();
    await engine.docker(["network", "rm", "third"]);
  });
});
