/** The plugin without its process: its state on a disk, a kernel that a test stops where it wants, and Docker's requests. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { HostLinks } from "../../../../src/docker/plugin/links/host-links.ts";
import { DockerPlugin } from "../../../../src/docker/plugin/plugin.ts";
import { StateStore } from "../../../../src/docker/plugin/state/state-store.ts";
import { decodeState } from "../../../../src/docker/plugin/state/stored-state.ts";
import type { BatchCommand } from "../../../../src/kernel/ip-batch.ts";
import { OverlayError } from "../../../../src/net/overlay-error.ts";
import { HeldFile } from "../../../support/held-file.ts";
import { recordLog } from "../../../support/log-lines.ts";
import type { LogLine } from "../../../support/log-lines.ts";
import { ENDPOINT_ID, NETWORK_ID } from "./samples.ts";

export const SUBNET_FILE =
  "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.7.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n";
export const POOL_ID = "twill/10.244.7.0/24";
export const BRIDGE = "tw-a1a1a1a1a1a1";
/** The host's end of the endpoint of {@link IDS}. */
export const VETH = "twhc3c3c3c3c3c3";
export const IDS = { NetworkID: NETWORK_ID, EndpointID: ENDPOINT_ID };
export const CREATE_NETWORK = {
  NetworkID: NETWORK_ID,
  IPv4Data: [{ Pool: "10.244.7.0/24", Gateway: "10.244.7.1/24" }],
};
const NEVER = new AbortController().signal;

/** The kernel's side: devices by name, and commands that wait at a gate. */
export class GatedKernel {
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

/** What the state file has. */
interface OnDisk {
  readonly networks: readonly string[];
  readonly endpoints: readonly string[];
  /** Last numbers of addresses. */
  readonly held: readonly string[];
}

export class PluginBench {
  readonly kernel = new GatedKernel();
  readonly plugin: DockerPlugin;
  readonly lines: readonly LogLine[];
  readonly subnetFile: string;
  newsOfNetworks = 0;
  readonly #directory: string;

  private constructor(directory: string, store: StateStore) {
    const { kernel } = this;
    const { log, lines } = recordLog();
    this.#directory = directory;
    this.subnetFile = join(directory, "subnet.env");
    writeFileSync(this.subnetFile, SUBNET_FILE);
    this.lines = lines;
    const ip = {
      read: () => kernel.look(),
      readBatch: () => Promise.resolve([]),
      apply: (commands: readonly BatchCommand[]) => kernel.apply(commands),
    };
    this.plugin = new DockerPlugin({
      store,
      links: new HostLinks(ip, log),
      subnetFile: this.subnetFile,
      driverName: "twill",
      log,
      onNetworks: () => this.newsOfNetworks++,
    });
  }

  static async create(): Promise<PluginBench> {
    const directory = mkdtempSync(join(tmpdir(), "twill-unheard-"));
    return new PluginBench(directory, await StateStore.open(join(directory, "state")));
  }

  async close(): Promise<void> {
    this.kernel.open();
    await this.plugin.idle();
    rmSync(this.#directory, { recursive: true });
  }

  async ask(method: string, body: object): Promise<Readonly<Record<string, unknown>>> {
    return await this.plugin.answer(method, JSON.stringify(body), NEVER);
  }

  /** Asks, and goes away when `meanwhile` is done. */
  async askAndGo(method: string, body: object, meanwhile: () => Promise<unknown>): Promise<void> {
    const gone = new AbortController();
    const answer = this.plugin.answer(method, JSON.stringify(body), gone.signal);
    await meanwhile();
    gone.abort(new OverlayError("ERR_REQUEST_REFUSED", "gone"));
    await expect(answer).rejects.toThrow("gone");
  }

  /** Asks, and goes away when the request has its turn, which then goes on: the subnet file comes late. */
  async askAndGoInTurn(method: string, body: object): Promise<void> {
    const reading = new HeldFile(this.subnetFile).read();
    await this.askAndGo(method, body, () => reading);
    (await reading)(SUBNET_FILE);
    await this.plugin.idle();
  }

  /** As a next run would read it. */
  onDisk(): OnDisk {
    const state = decodeState(readFileSync(join(this.#directory, "state/state.json"), "utf8"));
    const held = [...(state.pools.get(POOL_ID)?.held.keys() ?? [])];
    return {
      networks: [...state.networks.keys()],
      endpoints: [...state.endpoints.keys()],
      held: held.map((value) => `.${value % 256}`),
    };
  }

  async makeNetwork(): Promise<void> {
    await this.ask("IpamDriver.RequestPool", {});
    await this.ask("NetworkDriver.CreateNetwork", CREATE_NETWORK);
  }
}
