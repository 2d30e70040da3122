/** Requests whose answer nobody hears any more: what of them stays, on disk and in the kernel. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HostLinks } from "../../../../src/docker/plugin/links/host-links.ts";
import { DockerPlugin, MAX_TURNS } from "../../../../src/docker/plugin/plugin.ts";
import { StateStore } from "../../../../src/docker/plugin/state/state-store.ts";
import { decodeState } from "../../../../src/docker/plugin/state/stored-state.ts";
import type { BatchCommand } from "../../../../src/kernel/ip-batch.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { HeldFile } from "../../../support/held-file.ts";
import { recordLog } from "../../../support/log-lines.ts";
import type { LogLine } from "../../../support/log-lines.ts";
import { ENDPOINT_ID, NETWORK_ID, OTHER_ENDPOINT_ID, OTHER_ID } from "./samples.ts";

const SUBNET_FILE =
  "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n";
const POOL_ID = "twill/10.244.7.0/24";
const BRIDGE = "tw-a1a1a1a1a1a1";
const VETH = "twhc3c3c3c3c3c3";
const IDS = { NetworkID: NETWORK_ID, EndpointID: ENDPOINT_ID };
const CREATE_NETWORK = {
  NetworkID: NETWORK_ID,
  IPv4Data: [{ Pool: "10.244.7.0/24", Gateway: "10.244.7.1/24" }],
};
const NEVER = new AbortController().signal;

/** The kernel's side: devices by name, and commands that wait at a gate. */
class GatedKernel {
  readonly devices = new Set<string>();
  readonly #kinds = new Map<string, string>();
  readonly #groups = new Map<string, string>();
  readonly aliases = new Map<string, string>();
  /** Resolves when a run of `ip` has come to the gate. */
  arrived = Promise.withResolvers<undefined>();
  /** How each run ends that has made devices, and deleted none. */
  failure: OverlayError | null = null;
  /** Names of devices that cannot be deleted. */
  readonly stuck = new Set<string>();
  /** How often `ip` was run, and how often to look. */
  runs = 0;
  looks = 0;
  #gate: PromiseWithResolvers<undefined> | null = null;

  close(): void {
    this.arrived = Promise.withResolvers();
    this.#gate = Promise.withResolvers();
  }

  open(): void {
    this.#gate?.resolve(undefined);
    this.#gate = null;
  }

  async look(): Promise<object[]> {
    await this.#pass();
    this.looks++;
    return [...this.devices].map((ifname, i) => ({
      ifindex: i + 1,
      ifname,
      ifalias: this.aliases.get(ifname),
      flags: ["UP"],
      mtu: 1472,
      linkinfo: { info_kind: this.#kinds.get(ifname) },
    }));
  }

  async apply(commands: readonly BatchCommand[]): Promise<void> {
    if (commands.length === 0) return;
    await this.#pass();
    for (const words of commands) {
      if (words[1] === "add" && words[0] === "link") this.#add(words[3] ?? "", words);
      if (words[4] === "alias") this.aliases.set(words[3] ?? "", words[5] ?? "");
      if (words[4] === "group") this.#groups.set(words[3] ?? "", words[5] ?? "");
      if (words[1] === "del" && this.failure === null) this.#delete(words);
    }
    if (this.failure !== null) throw this.failure;
  }

  #delete([, , by, what]: readonly string[]): void {
    const names = [...this.devices].filter((one) => (by === "group" ? this.#groups.get(one) : one) === what);
    if (names.some((name) => this.stuck.has(name))) throw new OverlayError("ERR_KERNEL_FAILED", "busy");
    for (const name of names) this.devices.delete(name);
  }

  #add(name: string, words: readonly string[]): void {
    this.devices.add(name);
    this.#kinds.set(name, words[words.indexOf("type") + 1] ?? "");
  }

  async #pass(): Promise<void> {
    this.runs++;
    this.arrived.resolve(undefined);
    await this.#gate?.promise;
  }
}

let directory: string;
let subnetFile: string;
let kernel: GatedKernel;
let lines: LogLine[];
let plugin: DockerPlugin;
let newsOfNetworks: number;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "twill-unheard-"));
  subnetFile = join(directory, "subnet.env");
  writeFileSync(subnetFile, SUBNET_FILE);
  kernel = new GatedKernel();
  const recorded = recordLog();
  lines = recorded.lines;
  newsOfNetworks = 0;
  plugin = new DockerPlugin({
    store: await StateStore.open(join(directory, "state")),
    links: new HostLinks(
      {
        read: () => kernel.look(),
        readBatch: () => Promise.resolve([]),
        apply: (commands) => kernel.apply(commands),
      },
      recorded.log,
    ),
    subnetFile,
    driverName: "twill",
    log: recorded.log,
    onNetworks: () => newsOfNetworks++,
  });
});
afterEach(async () => {
  kernel.open();
  await plugin.idle();
  rmSync(directory, { recursive: true });
});

async function ask(method: string, body: object): Promise<Readonly<Record<string, unknown>>> {
  return await plugin.answer(method, JSON.stringify(body), NEVER);
}

/** Asks, and goes away when `meanwhile` is done. */
async function askAndGo(method: string, body: object, meanwhile: () => Promise<unknown>): Promise<void> {
  const gone = new AbortController();
  const answer = plugin.answer(method, JSON.stringify(body), gone.signal);
  await meanwhile();
  gone.abort(new OverlayError("ERR_REQUEST_REFUSED", "gone"));
  await expect(answer).rejects.toThrow("gone");
}

/** Asks, and goes away when the request has its turn, which then goes on: the subnet file comes late. */
async function askAndGoInTurn(method: string, body: object): Promise<void> {
  const reading = new HeldFile(subnetFile).read();
  await askAndGo(method, body, () => reading);
  (await reading)(SUBNET_FILE);
  await plugin.idle();
}

/** As a next run would read it. */
function onDisk(): { networks: string[]; endpoints: string[]; held: string[] } {
  const state = decodeState(readFileSync(join(directory, "state/state.json"), "utf8"));
  const held = [...(state.pools.get(POOL_ID)?.held.keys() ?? [])];
  return {
    networks: [...state.networks.keys()],
    endpoints: [...state.endpoints.keys()],
    held: held.map((value) => `.${value % 256}`),
  };
}

async function makeNetwork(): Promise<void> {
  await ask("IpamDriver.RequestPool", {});
  await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK);
}

describe("a request whose answer nobody hears", () => {
  it("gives no address, and the one that is named to who asks for it next", async () => {
    await makeNetwork();
    const request = { PoolID: POOL_ID, Address: "10.244.7.77" };
    await askAndGoInTurn("IpamDriver.RequestAddress", request);
    expect(onDisk().held).toEqual([]);
    expect(lines).toContainEqual({
      level: "warn",
      method: "IpamDriver.RequestAddress",
      isTakenBack: true,
      msg: "Request finished after its answer",
    });
    expect((await ask("IpamDriver.RequestAddress", request)).Address).toBe("10.244.7.77/24");
  });

  it("takes no number of a grant a second time: a search for what was lost may know the first", async () => {
    await makeNetwork();
    await askAndGoInTurn("IpamDriver.RequestAddress", { PoolID: POOL_ID });
    await ask("IpamDriver.RequestAddress", { PoolID: POOL_ID });
    expect([...(plugin.state.pools.get(POOL_ID)?.held.values() ?? [])]).toEqual([2]);
  });

  it("makes no endpoint, and leaves one that was there before", async () => {
    await makeNetwork();
    const body = { ...IDS, Interface: { Address: "10.244.7.2/24" } };
    await askAndGoInTurn("NetworkDriver.CreateEndpoint", body);
    expect(onDisk().endpoints).toEqual([]);
    await ask("NetworkDriver.CreateEndpoint", body);
    await askAndGoInTurn("NetworkDriver.CreateEndpoint", body);
    expect(onDisk().endpoints).toEqual([ENDPOINT_ID]);
  });

  it("makes no network, and leaves one that was there before", async () => {
    await ask("IpamDriver.RequestPool", {});
    kernel.close();
    await askAndGo("NetworkDriver.CreateNetwork", CREATE_NETWORK, () => kernel.arrived.promise);
    kernel.open();
    await plugin.idle();
    expect(onDisk().networks).toEqual([]);
    expect([...kernel.devices]).toEqual([]);
    await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK);
    kernel.close();
    await askAndGo("NetworkDriver.CreateNetwork", CREATE_NETWORK, () => kernel.arrived.promise);
    kernel.open();
    await plugin.idle();
    expect(onDisk().networks).toEqual([NETWORK_ID]);
    expect([...kernel.devices]).toEqual([BRIDGE]);
  });

  it("is not begun when nobody waits at its turn", async () => {
    await makeNetwork();
    await ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    kernel.close();
    const first = ask("NetworkDriver.Join", IDS);
    await askAndGo("IpamDriver.RequestAddress", { PoolID: POOL_ID }, () => kernel.arrived.promise);
    const other = { ...IDS, EndpointID: OTHER_ENDPOINT_ID, Interface: { Address: "10.244.7.3/24" } };
    await askAndGo("NetworkDriver.CreateEndpoint", other, () => Promise.resolve());
    kernel.open();
    await first;
    await plugin.idle();
    expect([onDisk().held, onDisk().endpoints, plugin.state.grants]).toEqual([[], [ENDPOINT_ID], 0]);
  });

  it("gives back all the same what Docker forgets: addresses, endpoints, networks", async () => {
    await makeNetwork();
    await ask("IpamDriver.RequestAddress", { PoolID: POOL_ID });
    await ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    kernel.close();
    const first = ask("NetworkDriver.Join", IDS);
    await kernel.arrived.promise;
    const soon = (): Promise<void> => Promise.resolve();
    await askAndGo("NetworkDriver.DeleteEndpoint", IDS, soon);
    await askAndGo("IpamDriver.ReleaseAddress", { PoolID: POOL_ID, Address: "10.244.7.2" }, soon);
    await askAndGo("NetworkDriver.DeleteNetwork", IDS, soon);
    expect(onDisk()).toEqual({ networks: [NETWORK_ID], endpoints: [ENDPOINT_ID], held: [".2"] });
    kernel.open();
    await first;
    await plugin.idle();
    expect(onDisk()).toEqual({ networks: [], endpoints: [], held: [] });
    expect([...kernel.devices].filter((name) => name.startsWith("tw-"))).toEqual([]);
  });

  it("says in the log what failed after its answer", async () => {
    await makeNetwork();
    await ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    kernel.close();
    await askAndGo("NetworkDriver.Join", IDS, () => kernel.arrived.promise);
    kernel.failure = new OverlayError("ERR_KERNEL_FAILED", "no");
    kernel.open();
    await plugin.idle();
    expect(lines).toMatchObject([
      {
        level: "error",
        method: "NetworkDriver.Join",
        msg: "Cannot finish a request whose answer was late",
        err: { message: "no" },
      },
    ]);
  });
});

describe("what Docker gives back while the kernel refuses", () => {
  beforeEach(async () => {
    await plugin.start();
    await makeNetwork();
    await ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    await ask("NetworkDriver.Join", IDS);
    newsOfNetworks = 0;
    kernel.failure = new OverlayError("ERR_KERNEL_FAILED", "no");
  });

  it("is given back: Docker does not name it again, and its devices go at a later look", async () => {
    await ask("NetworkDriver.DeleteEndpoint", IDS);
    expect([onDisk().endpoints, newsOfNetworks]).toEqual([[], 1]);
    await ask("NetworkDriver.DeleteNetwork", IDS);
    expect([onDisk().networks, newsOfNetworks]).toEqual([[], 2]);
    expect([...kernel.devices].sort()).toEqual([BRIDGE, VETH]);
    expect((await plugin.repair()).failures).toEqual([kernel.failure]);
    kernel.failure = null;
    await plugin.repair();
    expect([...kernel.devices]).toEqual([]);
    await makeNetwork();
    expect(newsOfNetworks).toBe(3);
  });
});

describe("devices that could not be deleted when Docker gave them back", () => {
  beforeEach(async () => await plugin.start());

  it("go all at once, in one run of ip", async () => {
    await makeNetwork();
    const ids = Array.from({ length: 20 }, (_, i) => ({
      ...{ NetworkID: NETWORK_ID, EndpointID: `${100_000_000_000 + i}`.padEnd(64, "0") },
      Interface: { Address: `10.244.7.${10 + i}/24` },
    }));
    for (const one of ids) {
      await ask("NetworkDriver.CreateEndpoint", one);
      await ask("NetworkDriver.Join", one);
    }
    kernel.failure = new OverlayError("ERR_KERNEL_FAILED", "no");
    for (const one of ids) await ask("NetworkDriver.DeleteEndpoint", one);
    expect(kernel.devices.size).toBe(1 + ids.length);
    kernel.failure = null;
    kernel.runs = 0;
    await plugin.repair();
    expect([...kernel.devices]).toEqual([BRIDGE]);
    expect(kernel.runs).toBeLessThanOrEqual(5); // two looks, bridge's repair, and the batch
  });

  it("keep no bridge from being repaired", async () => {
    await makeNetwork();
    await ask("NetworkDriver.CreateEndpoint", { ...IDS, Interface: { Address: "10.244.7.2/24" } });
    await ask("NetworkDriver.Join", IDS);
    kernel.stuck.add(VETH);
    await ask("NetworkDriver.DeleteEndpoint", IDS);
    kernel.devices.delete(BRIDGE);
    expect(await plugin.repair()).toMatchObject({ failures: [{ message: "busy" }] });
    expect([...kernel.devices].sort()).toEqual([BRIDGE, VETH]);
    expect(onDisk().endpoints).toEqual([]);
  });

  it("stay when Docker has made the same endpoint again", async () => {
    await makeNetwork();
    const body = { ...IDS, Interface: { Address: "10.244.7.2/24" } };
    await ask("NetworkDriver.CreateEndpoint", body);
    await ask("NetworkDriver.Join", IDS);
    kernel.stuck.add(VETH);
    await ask("NetworkDriver.DeleteEndpoint", IDS);
    kernel.stuck.clear();
    await ask("NetworkDriver.CreateEndpoint", body);
    await ask("NetworkDriver.Join", IDS);
    await plugin.repair();
    expect([...kernel.devices].sort()).toEqual([BRIDGE, VETH]);
  });
});

describe("a device of an earlier run that could not be deleted at the start", () => {
  it("goes at a later look", async () => {
    kernel.devices.add(VETH);
    kernel.aliases.set(VETH, `twill-docker:${plugin.state.instanceId}:endpoint:${ENDPOINT_ID}`);
    kernel.stuck.add(VETH);
    await plugin.start();
    expect(await plugin.repair()).toMatchObject({ failures: [{ message: "busy" }] });
    expect([...kernel.devices]).toEqual([VETH]);
    kernel.stuck.clear();
    expect(await plugin.repair()).toMatchObject({ failures: [] });
    expect([...kernel.devices]).toEqual([]);
    const looks = kernel.looks;
    await plugin.repair();
    expect(kernel.looks).toBe(looks); // none is looked for any more
  });
});

describe("what is left of a network that could neither be made nor removed", () => {
  beforeEach(async () => {
    await ask("IpamDriver.RequestPool", {});
    kernel.failure = new OverlayError("ERR_KERNEL_FAILED", "no"); // after the bridge was made
    await expect(ask("NetworkDriver.CreateNetwork", CREATE_NETWORK)).rejects.toThrow("no");
    expect([onDisk().networks, [...kernel.devices], newsOfNetworks]).toEqual([[], [BRIDGE], 1]);
    kernel.failure = null;
  });

  it("goes at the next look", async () => {
    await plugin.repair();
    expect([...kernel.devices]).toEqual([]);
  });

  it("goes before Docker is given a pool, which it would refuse beside that", async () => {
    await ask("IpamDriver.RequestPool", {});
    expect([...kernel.devices]).toEqual([]);
  });

  it("is not in the way of the next network", async () => {
    await ask("NetworkDriver.CreateNetwork", { ...CREATE_NETWORK, NetworkID: OTHER_ID });
    expect([...kernel.devices]).toEqual(["tw-b2b2b2b2b2b2"]);
  });
});

describe("NetworkDriver.CreateNetwork", () => {
  it("looks at the host once", async () => {
    await ask("IpamDriver.RequestPool", {});
    const before = kernel.looks;
    await ask("NetworkDriver.CreateNetwork", CREATE_NETWORK);
    expect(kernel.looks - before).toBe(1);
  });
});

describe("requests that wait", () => {
  it("are bounded: one more is refused at once in one sentence", async () => {
    await makeNetwork();
    kernel.close();
    const first = ask("NetworkDriver.DeleteEndpoint", IDS);
    await kernel.arrived.promise;
    const release = { PoolID: POOL_ID, Address: "10.244.7.2" };
    const waiting = Array.from({ length: MAX_TURNS - 1 }, () => ask("IpamDriver.ReleaseAddress", release));
    await expect(ask("IpamDriver.ReleaseAddress", release)).rejects.toThrow(
      `Cannot carry out IpamDriver.ReleaseAddress: ${MAX_TURNS} requests wait, for ip or the disk of this host hangs; try again when it does not`,
    );
    kernel.open();
    await Promise.all([first, ...waiting]);
  });
});

describe("a network whose lease has moved", () => {
  const PLACE = { networkId: NETWORK_ID, subnet: "10.244.7.0/24" };
  const MOVED = {
    level: "error",
    msg: "The host's lease is another one than the network's: make the network again",
    lease: "10.244.9.0/24",
    ...PLACE,
  };
  const BACK = {
    level: "info",
    msg: "The host's lease is the network's again",
    lease: "10.244.7.0/24",
    ...PLACE,
  };

  it("is told of once, and again when the lease comes back and moves again", async () => {
    await makeNetwork();
    const moved = SUBNET_FILE.replace("10.244.7.1", "10.244.9.1");
    for (const content of [moved, moved, SUBNET_FILE, SUBNET_FILE, moved]) {
      writeFileSync(subnetFile, content);
      await plugin.repair();
    }
    expect(lines).toEqual([MOVED, BACK, MOVED]);
  });
});
