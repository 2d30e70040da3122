/** A container runtime on a host of a lab, as far as the CNI plugin sees one: namespaces, variables, configurations. */
import { mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LabNode } from "../../src/lab/host/lab-node.ts";
import { LabPod } from "../../src/lab/host/lab-pod.ts";
import { Namespace } from "../../src/lab/machine/namespace.ts";
import type { LabHost } from "./lab.ts";
import { NetworkNamespace } from "./network-namespace.ts";

/** Where Debian's package containernetworking-plugins puts its programs. */
export const DEBIAN_PLUGINS = "/usr/lib/cni";
const TWILL_CNI = fileURLToPath(new URL("../../bin/twill-cni", import.meta.url));

/** A container without a network, or with what was attached to it. */
export class Container implements AsyncDisposable {
  readonly id: string;
  readonly namespace: NetworkNamespace;

  constructor(id: string, namespace: NetworkNamespace) {
    this.id = id;
    this.namespace = namespace;
  }

  /** The container as the lab's helpers want it. */
  pod(address: string): LabPod {
    return new LabPod(this.id, new EnteredNamespace(this.id, this.namespace), address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.namespace[Symbol.asyncDispose]();
  }
}

/** A namespace that has no name, which processes enter by its file. */
class EnteredNamespace extends Namespace {
  readonly #namespace: NetworkNamespace;

  constructor(name: string, namespace: NetworkNamespace) {
    super(name, "");
    this.#namespace = namespace;
  }

  override command(argv: readonly string[]): string[] {
    return this.#namespace.command(argv).flat();
  }
}

/** What an ADD gives, in every version of the specification from 0.3.0 on. */
export interface AddResult {
  readonly cniVersion: string;
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway: string }[];
  readonly routes: readonly { readonly dst: string; readonly gw?: string }[];
}

/** How a plugin ended. */
export interface PluginAnswer {
  readonly code: number | null;
  /** What it printed, read as JSON; "" for nothing. */
  readonly stdout: unknown;
}

/** What differs from a plain call: members of the configuration, variables, another plugin. */
export interface CallOptions {
  readonly config?: object;
  readonly env?: Readonly<Record<string, string>>;
  readonly program?: string;
}

export class CniHost implements AsyncDisposable {
  readonly host: LabHost;
  /** All that the plugins keep on this host lies below. */
  readonly directory: string;
  readonly #containers: Container[] = [];
  #made = 0;

  constructor(host: LabHost) {
    this.host = host;
    this.directory = join(dirname(host.files.runDirectory), "cni");
  }

  /** Makes a container, not attached to anything. */
  async create(): Promise<Container> {
    const id = `${this.host.name}c${++this.#made}`;
    const container = new Container(id, await NetworkNamespace.create());
    this.#containers.push(container);
    return container;
  }

  /** The configuration that a runtime hands to the plugin. The addresses are kept apart from the machine's own. */
  config(members: object = {}): object {
    return {
      cniVersion: "1.0.0",
      name: "net",
      type: "twill-cni",
      subnetFile: this.host.files.subnetFile,
      dataDir: join(this.directory, "state"),
      ipam: { dataDir: join(this.directory, "addresses") },
      ...members,
    };
  }

  /** The variables that a runtime sets. */
  env(
    command: string,
    container: Container,
    more: Readonly<Record<string, string>> = {},
  ): Record<string, string> {
    return {
      CNI_COMMAND: command,
      CNI_CONTAINERID: container.id,
      CNI_NETNS: container.namespace.path,
      CNI_IFNAME: "eth0",
      CNI_PATH: DEBIAN_PLUGINS,
      ...more,
    };
  }

  /** Calls the plugin and waits for its end. */
  async call(command: string, container: Container, options: CallOptions = {}): Promise<PluginAnswer> {
    const { code, stdout } = await this.callLogged(command, container, options);
    return { code, stdout };
  }

  /** The same, with what it wrote to its standard error. */
  async callLogged(
    command: string,
    container: Container,
    options: CallOptions = {},
  ): Promise<PluginAnswer & { readonly log: string }> {
    const { code, stdout, stderr } = await this.host.exec([options.program ?? TWILL_CNI], {
      env: this.env(command, container, options.env),
      stdin: JSON.stringify(this.config(options.config)),
    });
    return { code, stdout: stdout === "" ? "" : (JSON.parse(stdout) as unknown), log: stderr };
  }

  /** Starts the plugin without waiting for it, as in a file: its pid is the plugin's. */
  start(
    command: string,
    container: Container,
    members: object,
    env: Readonly<Record<string, string>>,
  ): { kill(): void; readonly ended: Promise<void> } {
    const child = this.host.start([TWILL_CNI], {
      stdio: ["pipe", "ignore", "inherit"],
      env: this.env(command, container, env),
    });
    const ended = new Promise<void>((resolve) => void child.once("close", () => resolve()));
    child.stdin?.end(JSON.stringify(this.config(members)));
    return { kill: () => void child.kill("SIGKILL"), ended };
  }

  /** ADD, which must succeed. */
  async add(container: Container, options: CallOptions = {}): Promise<AddResult> {
    const { code, stdout } = await this.call("ADD", container, options);
    if (code !== 0) throw new Error(`ADD failed: ${JSON.stringify(stdout)}`);
    return stdout as AddResult;
  }

  /** Makes a container and attaches it. */
  async addPod(options: CallOptions = {}): Promise<LabPod> {
    const container = await this.create();
    return container.pod(addressOf(await this.add(container, options)));
  }

  /** What the plugins remember of attachments and addresses, beside their locks. */
  async remembered(): Promise<string[]> {
    await mkdir(this.directory, { recursive: true });
    const names = await readdir(this.directory, { recursive: true, withFileTypes: true });
    return names
      .filter(
        (entry) => entry.isFile() && entry.name !== "lock" && !entry.name.startsWith("last_reserved_ip"),
      )
      .map((entry) => entry.name)
      .sort();
  }

  /** Names of the interfaces on a bridge of the host. */
  async portsOf(bridge: string): Promise<string[]> {
    const links = JSON.parse(await this.host.execChecked(["ip", "-j", "link", "show", "master", bridge])) as {
      ifname?: string;
    }[];
    return links.flatMap(({ ifname }) => ifname ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#containers.map((container) => container[Symbol.asyncDispose]()));
  }
}

/** The first address of a result, without its length. */
export function addressOf(result: AddResult): string {
  return result.ips[0]?.address.split("/")[0] ?? "";
}

/** MTU of a device where this node is. */
export async function mtuOf(device: string, node: LabNode): Promise<number | undefined> {
  const links = JSON.parse(await node.execChecked(["ip", "-j", "link", "show", "dev", device])) as {
    mtu: number;
  }[];
  return links[0]?.mtu;
}
