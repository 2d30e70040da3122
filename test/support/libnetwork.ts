/**
 * Plays the part of Docker's libnetwork: the same calls in the same order, and what it does with a container's device itself
 * (move, rename, address, MAC, routes).
 */
import { randomBytes } from "node:crypto";
import type { PluginHost } from "./docker-plugin.ts";
import type { LabHost } from "./lab.ts";
import { NetworkNamespace } from "./network-namespace.ts";

/** The host's network namespace, where devices come from and go back to. */
export interface HostNamespace {
  ip(args: readonly string[]): Promise<string>;
  /** What `ip link set DEVICE netns` takes: a name or a pid. */
  readonly netns: string;
}

/** The host that is a namespace without a name. */
export function hostNamespace(namespace: NetworkNamespace): HostNamespace {
  return { ip: (args) => namespace.run("ip", args), netns: `${namespace.pid}` };
}

/** A host of a lab. */
export function labHostNamespace({ namespace }: LabHost): HostNamespace {
  return { ip: (args) => namespace.execChecked(["ip", ...args]), netns: namespace.name };
}

export interface NetworkOptions {
  /** `--ipam-driver twill` (default), or Docker's own, which gives what it is told. */
  readonly ipam?: "twill" | "default";
  /** `--subnet`. */
  readonly subnet?: string;
  /** `-o`. */
  readonly options?: Readonly<Record<string, string>>;
}

interface JoinAnswer {
  readonly InterfaceName: { readonly SrcName: string; readonly DstPrefix: string };
  readonly Gateway?: string;
  readonly StaticRoutes?: readonly { readonly Destination: string; readonly NextHop: string }[];
}

export function newId(): string {
  return randomBytes(32).toString("hex");
}

/** A container on a network. */
export interface Container {
  readonly namespace: NetworkNamespace;
  readonly endpointId: string;
  /** With its prefix length. */
  readonly address: string;
  readonly join: JoinAnswer;
}

/** A network as Docker knows it. */
export class DockerNetwork {
  readonly id: string;
  readonly pool: string;
  readonly gateway: string;
  readonly #poolId: string | null;
  readonly #plugin: PluginHost;
  readonly #host: HostNamespace;

  private constructor(
    plugin: PluginHost,
    host: HostNamespace,
    facts: { id: string; pool: string; gateway: string; poolId: string | null },
  ) {
    this.#plugin = plugin;
    this.#host = host;
    this.id = facts.id;
    this.pool = facts.pool;
    this.gateway = facts.gateway;
    this.#poolId = facts.poolId;
  }

  /** `docker network create`. */
  static async create(
    plugin: PluginHost,
    host: HostNamespace,
    options: NetworkOptions = {},
  ): Promise<DockerNetwork> {
    const id = newId();
    const { subnet = "", ipam = "twill" } = options;
    const given = ipam === "twill" ? await requestPool(plugin, subnet) : ownPool(subnet);
    await plugin.ask("NetworkDriver.CreateNetwork", {
      NetworkID: id,
      Options: {
        "com.docker.network.enable_ipv6": false,
        "com.docker.network.generic": options.options ?? {},
      },
      IPv4Data: [{ AddressSpace: "twill-local", Pool: given.pool, Gateway: given.gateway }],
      IPv6Data: [],
    });
    return new DockerNetwork(plugin, host, { id, ...given });
  }

  /** `docker run`: an address, an endpoint, a veth that is moved into a namespace. */
  async connect(ip = ""): Promise<Container> {
    const address = await this.requestAddress(ip);
    const { endpointId, mac } = await this.createEndpoint(address);
    const join = await this.join(endpointId);
    const namespace = await NetworkNamespace.create();
    const { SrcName, DstPrefix } = join.InterfaceName;
    const eth = `${DstPrefix}0`;
    await this.#host.ip(["link", "set", "dev", SrcName, "netns", `${namespace.pid}`]);
    await namespace.run("ip", ["link", "set", "dev", SrcName, "name", eth]);
    await namespace.run("ip", ["link", "set", "dev", eth, "address", mac]);
    await namespace.run("ip", ["address", "add", address, "dev", eth]);
    await namespace.run("ip", ["link", "set", "dev", eth, "up"]);
    if (join.Gateway !== undefined)
      await namespace.run("ip", ["route", "add", "default", "via", join.Gateway]);
    for (const { Destination, NextHop } of join.StaticRoutes ?? [])
      await namespace.run("ip", ["route", "add", Destination, "via", NextHop]);
    return { namespace, endpointId, address, join };
  }

  async requestAddress(ip = ""): Promise<string> {
    if (this.#poolId === null) return `${ip}/${this.pool.split("/")[1] ?? ""}`;
    const answer = await this.#plugin.ask("IpamDriver.RequestAddress", {
      PoolID: this.#poolId,
      Address: ip,
      Options: null,
    });
    return String(answer.Address);
  }

  async createEndpoint(address: string, endpointId = newId()): Promise<{ endpointId: string; mac: string }> {
    const answer = await this.#plugin.ask("NetworkDriver.CreateEndpoint", {
      NetworkID: this.id,
      EndpointID: endpointId,
      Interface: { Address: address, AddressIPv6: "", MacAddress: "" },
      Options: { "com.docker.network.portmap": null, "com.docker.network.endpoint.exposedports": [] },
    });
    return { endpointId, mac: (answer.Interface as { MacAddress: string }).MacAddress };
  }

  async join(endpointId: string): Promise<JoinAnswer> {
    const answer = await this.#plugin.ask("NetworkDriver.Join", {
      NetworkID: this.id,
      EndpointID: endpointId,
      SandboxKey: `/var/run/docker/netns/${endpointId.slice(0, 12)}`,
      Options: {},
    });
    return answer as unknown as JoinAnswer;
  }

  /** `docker stop`: the container's end comes back to the host, down and under its old name, as dockerd 20.10 leaves it. */
  async disconnect({ namespace, endpointId, address, join }: Container): Promise<void> {
    const ids = { NetworkID: this.id, EndpointID: endpointId };
    await this.#plugin.ask("NetworkDriver.Leave", ids);
    const eth = `${join.InterfaceName.DstPrefix}0`;
    await namespace.run("ip", ["link", "set", "dev", eth, "down"]);
    await namespace.run("ip", ["link", "set", "dev", eth, "name", join.InterfaceName.SrcName]);
    await namespace.run("ip", ["link", "set", "dev", join.InterfaceName.SrcName, "netns", this.#host.netns]);
    await namespace[Symbol.asyncDispose]();
    await this.#plugin.ask("NetworkDriver.DeleteEndpoint", ids);
    await this.releaseAddress(address);
  }

  async releaseAddress(address: string): Promise<void> {
    const Address = address.split("/")[0];
    if (this.#poolId !== null)
      await this.#plugin.ask("IpamDriver.ReleaseAddress", { PoolID: this.#poolId, Address });
  }

  /** dockerd starts anew: pools, gateways, and addresses of endpoints that it remembers; no network. */
  async replay(): Promise<void> {
    await requestPool(this.#plugin, this.pool, this.gateway.split("/")[0]);
  }

  /** `docker network rm`. */
  async remove(): Promise<void> {
    await this.#plugin.ask("NetworkDriver.DeleteNetwork", { NetworkID: this.id });
    if (this.#poolId === null) return;
    await this.releaseAddress(this.gateway);
    await this.#plugin.ask("IpamDriver.ReleasePool", { PoolID: this.#poolId });
  }
}

async function requestPool(
  plugin: PluginHost,
  subnet: string,
  gateway = "",
): Promise<{ pool: string; gateway: string; poolId: string }> {
  const { LocalDefaultAddressSpace } = await plugin.ask("IpamDriver.GetDefaultAddressSpaces", {});
  const pool = await plugin.ask("IpamDriver.RequestPool", {
    AddressSpace: LocalDefaultAddressSpace,
    Pool: subnet,
    SubPool: "",
    Options: null,
    V6: false,
  });
  const poolId = String(pool.PoolID);
  const address = await plugin.ask("IpamDriver.RequestAddress", {
    PoolID: poolId,
    Address: gateway,
    Options: { RequestAddressType: "com.docker.network.gateway" },
  });
  return { pool: String(pool.Pool), gateway: String(address.Address), poolId };
}

/** Docker's own IPAM gives the first address to the gateway. */
function ownPool(subnet: string): { pool: string; gateway: string; poolId: null } {
  const gateway = subnet.replace(/0\/(\d+)$/, "1/$1");
  return { pool: subnet, gateway, poolId: null };
}
