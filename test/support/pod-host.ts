/** `twill pod` on a host of a lab, whose file system is the machine's: everything it writes goes below one folder. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CommandResult } from "../../src/lab/machine/run-command.ts";
import type { LabHost } from "./lab.ts";

const TWILL = fileURLToPath(new URL("../../bin/twill", import.meta.url));

/** Past the gateway. */
const FIRST_OF_POOL = 10;

/** A host on which pods are made with the plain bridge plugin, with the lease of its agent. */
export class PodHost {
  readonly host: LabHost;
  readonly podsDirectory: string;
  readonly #folder: string;

  private constructor(host: LabHost, folder: string) {
    this.host = host;
    this.#folder = folder;
    this.podsDirectory = join(folder, "pods");
  }

  /** @param poolSize - how many addresses there are for pods; all of the lease when left out */
  static async prepare(host: LabHost, folder: string, poolSize?: number): Promise<PodHost> {
    const own = new PodHost(host, join(folder, host.name));
    await mkdir(own.#folder, { recursive: true });
    const { subnet, overlayMtu } = await host.subnetFile();
    const limits = poolSize && {
      rangeStart: subnet.address.plus(FIRST_OF_POOL).toString(),
      rangeEnd: subnet.address.plus(FIRST_OF_POOL + poolSize - 1).toString(),
    };
    const ipam = {
      type: "host-local",
      ranges: [[{ subnet: subnet.toString(), ...limits }]],
      routes: [{ dst: "0.0.0.0/0" }],
      dataDir: join(own.#folder, "addresses"),
    };
    const bridge = { type: "bridge", bridge: "cni0", isGateway: true, mtu: overlayMtu, ipam };
    await own.writeConfig({ cniVersion: "1.0.0", name: "pods", ...bridge });
    return own;
  }

  /** Another configuration for the pods to come. */
  async writeConfig(config: object): Promise<void> {
    await writeFile(this.configFile, JSON.stringify(config));
  }

  async run(
    name: string,
    command: readonly string[] = [],
    flags: readonly string[] = [],
  ): Promise<CommandResult> {
    const { subnetFile, runDirectory } = this.host.files;
    const agent = ["--subnet-file", subnetFile, "--run-dir", runDirectory];
    const dashes = command.length === 0 ? [] : ["--"];
    return await this.pod(
      "run",
      "--cni-config",
      this.configFile,
      ...agent,
      ...flags,
      name,
      ...dashes,
      ...command,
    );
  }

  async exec(name: string, command: readonly string[]): Promise<CommandResult> {
    return await this.pod("exec", name, "--", ...command);
  }

  /** `twill pod SUBCOMMAND`. */
  async pod(subcommand: string, ...args: readonly string[]): Promise<CommandResult> {
    return await this.host.exec([TWILL, "pod", subcommand, "--pods-dir", this.podsDirectory, ...args]);
  }

  /** Addresses that the pool of this host has given away. */
  async givenAddresses(): Promise<string[]> {
    const names = await readdir(join(this.#folder, "addresses", "pods")).catch(() => []);
    return names.filter((name) => /^[0-9.]+$/.test(name)).sort();
  }

  /** Devices on the bridge: one for each pod that is attached. */
  async attachedDevices(): Promise<string[]> {
    const shown = await this.host.exec(["ip", "-j", "link", "show", "master", "cni0"]);
    if (shown.code !== 0) return [];
    return (JSON.parse(shown.stdout) as { ifname: string }[]).map(({ ifname }) => ifname);
  }

  /** Path of a pod's record. */
  recordFile(name: string): string {
    return join(this.podsDirectory, name, "pod.json");
  }

  /** What pods are attached with. */
  get configFile(): string {
    return join(this.#folder, "cni.json");
  }
}
