/** Whose devices the Docker plugin makes, keeps and removes: after a lost state, beside another plugin, beside strangers. */
import { rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PluginHost } from "../support/docker-plugin.ts";
import { DockerNetwork, hostNamespace, newId } from "../support/libnetwork.ts";
import type { Container, HostNamespace } from "../support/libnetwork.ts";
import { NetworkNamespace } from "../support/network-namespace.ts";

const SUBNET = "10.244.7.0/24";

let place: NetworkNamespace;
let host: HostNamespace;
let plugin: PluginHost;
let open: AsyncDisposable[];

beforeEach(async () => {
  open = [];
  place = await NetworkNamespace.create();
  open.push(place);
  host = hostNamespace(place);
  plugin = await startPlugin();
});
afterEach(async () => {
  for (const one of open.reverse()) await one[Symbol.asyncDispose]();
});

/** A plugin with a state directory, a socket and a subnet file of its own. */
async function startPlugin(): Promise<PluginHost> {
  const started = await PluginHost.create(place);
  open.push(started);
  await started.setLease(SUBNET);
  await started.start();
  return started;
}

/** The plugin is killed, its state directory emptied, and it starts again. */
async function loseState(): Promise<void> {
  await plugin.end("SIGKILL");
  await rm(plugin.stateDir, { recursive: true });
  await plugin.start();
}

async function connect(network: DockerNetwork): Promise<Container> {
  const container = await network.connect();
  open.push(container.namespace);
  return container;
}

async function ping(from: Container, target: string): Promise<void> {
  await from.namespace.run("ping", ["-n", "-c", "1", "-W", "2", target.split("/")[0] ?? ""]);
}

/** The host's devices but loopback: name, index, alias, and what they hang on. */
async function devices(): Promise<object[]> {
  const links = JSON.parse(await host.ip(["-j", "link", "show"])) as Record<string, unknown>[];
  return links
    .filter(({ ifname }) => ifname !== "lo")
    .map(({ ifname, ifindex, ifalias, master }) => ({ ifname, ifindex, ifalias, master }));
}

function bridgeOf({ id }: DockerNetwork): string {
  return `tw-${id.slice(0, 12)}`;
}

describe("twill docker-plugin after its state was lost", () => {
  it("removes the network that Docker still knows, and makes it again", async () => {
    const lost = await DockerNetwork.create(plugin, host);
    const container = await connect(lost);
    const before = await devices();
    await loseState();
    await ping(container, lost.gateway); // goes on
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow(
      `Cannot make the network: device ${bridgeOf(lost)} has 10.244.7.1 of this host's lease ${SUBNET}, for network ${lost.id.slice(0, 12)} that this plugin does not know but containers use; remove them first, or: ip link del ${bridgeOf(lost)}`,
    );
    expect(await devices()).toEqual(before);

    await lost.disconnect(container);
    await lost.remove();
    expect(await devices()).toEqual([]);
    const network = await DockerNetwork.create(plugin, host);
    const [a, b] = [await connect(network), await connect(network)];
    await ping(a, b.address);
    await ping(b, network.gateway);
  });

  it("takes the place of a network that Docker has lost too, once no container is on it", async () => {
    const lost = await DockerNetwork.create(plugin, host, { options: { bridge: "ov0" } });
    const [dead, stopped] = [await connect(lost), await lost.createEndpoint(await lost.requestAddress())];
    await lost.join(stopped.endpointId); // both ends of its veth are the host's, as after a stop while no plugin runs
    await dead.namespace[Symbol.asyncDispose]();
    await loseState();

    const network = await DockerNetwork.create(plugin, host);
    expect(await devices()).toMatchObject([{ ifname: bridgeOf(network) }]);
    await ping(await connect(network), network.gateway);
  });

  it("refuses a place that a stranger's device has, says how to free it, and leaves the device alone", async () => {
    await loseState();
    await host.ip(["link", "add", "ov0", "type", "bridge"]);
    await host.ip(["link", "set", "ov0", "alias", `somebody:${newId()}`, "up"]);
    const before = await devices();
    const make = (): Promise<DockerNetwork> =>
      DockerNetwork.create(plugin, host, { options: { bridge: "ov0" } });
    await expect(make()).rejects.toThrow(
      "Cannot make the bridge ov0: a device of this name is there that is not this network's; remove it (ip link del ov0), or give another name with -o bridge=NAME",
    );
    await host.ip(["address", "add", "10.244.7.5/24", "dev", "ov0"]);
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow(
      `device ov0 has 10.244.7.5 of this host's lease ${SUBNET}; take that away first (dockerd --bip, a CNI bridge, another network): ip link del ov0`,
    );
    expect(await devices()).toEqual(before);
    await host.ip(["link", "del", "ov0"]);
    await make();
  });
});

describe("twill docker-plugin beside another one", () => {
  it("leaves the other's devices alone while that one runs, and while its containers do", async () => {
    const other = await startPlugin();
    const theirs = await DockerNetwork.create(other, host);
    const container = await connect(theirs);
    const before = await devices();

    await plugin.ask("NetworkDriver.DeleteEndpoint", {
      NetworkID: theirs.id,
      EndpointID: container.endpointId,
    });
    await plugin.ask("NetworkDriver.DeleteNetwork", { NetworkID: theirs.id });
    const short = theirs.id.slice(0, 12);
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow(
      `for network ${short}; remove that one first: docker network rm ${short}`,
    );
    await other.end("SIGKILL");
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow("but containers use; remove them first");
    expect(await devices()).toEqual(before);
    await ping(container, theirs.gateway);

    await other.start();
    await theirs.disconnect(container);
    expect(await devices()).toMatchObject([{ ifname: bridgeOf(theirs) }]);
    await expect(DockerNetwork.create(plugin, host)).rejects.toThrow(`docker network rm ${short}`);
  });
});
