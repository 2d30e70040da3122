/**
 * Two hosts of a lab, each with an agent and a Docker engine of its own that knows the subnet its agent has leased.
 *
 *   container ── docker0 ── [host h1, dockerd] ── underlay ── [host h2, dockerd] ── docker0 ── container
 */
import type { SubnetFile } from "../../../src/files/subnet-file.ts";
import { createLab } from "../lab.ts";
import type { Lab, LabHost } from "../lab.ts";
import { DockerEngine } from "./docker-engine.ts";
import { checkEngineMachine } from "./engine-machine.ts";

/** Flags with which dockerd takes its bridge from the subnet file; its own masquerading would hide the containers' addresses. */
export function bridgeFlags(file: SubnetFile): string[] {
  return [
    `--bip=${file.gateway.toString()}/${file.subnet.length}`,
    `--mtu=${file.overlayMtu}`,
    "--ip-masq=false",
  ];
}

/** What an {@link EngineLab} is to be. */
export interface EngineLabOptions {
  readonly networkConfig?: Readonly<Record<string, unknown>>;
  /** After `--ip-masq`: what leaves the overlay is the agent's to masquerade, what stays in it nobody's. */
  readonly agentFlags?: readonly string[];
  /** dockerd's, once the agent of its host has a subnet. Default {@link bridgeFlags}. */
  readonly engineFlags?: (file: SubnetFile) => readonly string[];
  /** Done to each host before its engine starts. */
  readonly prepare?: (host: LabHost) => Promise<void>;
}

/** A host, and the engine in its namespace. */
export interface EngineHost {
  readonly host: LabHost;
  readonly engine: DockerEngine;
}

export class EngineLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly hosts: readonly [EngineHost, EngineHost];

  private constructor(lab: Lab, hosts: readonly [EngineHost, EngineHost]) {
    this.lab = lab;
    this.hosts = hosts;
  }

  /** Every agent is ready and every engine answers. @throws {OverlayError} `ERR_LAB_FAILED` where none can run, too */
  static async create(options: EngineLabOptions = {}): Promise<EngineLab> {
    const { networkConfig, agentFlags, engineFlags = bridgeFlags, prepare } = options;
    checkEngineMachine();
    const made = new AsyncDisposableStack();
    try {
      const flags = ["--ip-masq", ...(agentFlags ?? [])];
      const lab = made.use(await createLab({ hosts: 2, pods: 0, networkConfig, agentFlags: flags }));
      const startOn = async (host: LabHost): Promise<EngineHost> => {
        await prepare?.(host);
        const engine = await DockerEngine.start(host.namespace, engineFlags(await host.subnetFile()));
        return { host, engine: made.use(engine) };
      };
      // One after the other: at the same time each would take twice as long.
      return new EngineLab(lab, [await startOn(lab.host(0)), await startOn(lab.host(1))]);
    } catch (err) {
      await made.disposeAsync();
      throw err;
    }
  }

  /** The engines first: their processes are in the hosts' namespaces. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { engine } of this.hosts) await engine[Symbol.asyncDispose]();
    await this.lab.down();
  }
}
