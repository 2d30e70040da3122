/** A container of an engine, which tests use like a lab's pod: programs of the machine run in its network namespace. */
import { readFile } from "node:fs/promises";
import { OverlayError } from "../../../src/net/overlay-error.ts";
import { LabPod } from "../../../src/lab/host/lab-pod.ts";
import type { Namespace } from "../../../src/lab/machine/namespace.ts";
import type { RunOptions } from "../../../src/lab/machine/run-command.ts";
import { TOKEN_VARIABLE } from "../../../src/lab/record/lab-record.ts";
import { eventually } from "../eventually.ts";
import { BUSYBOX_IMAGE, WEB_PORT } from "./busybox-image.ts";
import type { DockerEngine } from "./docker-engine.ts";
import { NamespaceOfProcess } from "./namespace-of-process.ts";

/** How to start a container. */
export interface ContainerOptions {
  /** Default: the engine's own bridge. */
  readonly network?: string;
  /** Further flags of `docker run`. */
  readonly flags?: readonly string[];
  readonly image?: string;
  /** Default: what the image says. */
  readonly command?: readonly string[];
}

/** The web server handles no SIGTERM as first process, and dockerd would wait 10 s for it. */
const BUSYBOX_STOP = "--stop-signal=SIGKILL";

/** A web server listens in a moment, and what it has printed takes another to get from its pipe into Docker's log. */
const MOMENT = { timeoutMs: 20_000 };
/** A line of /proc/PID/net/tcp: its port on every address, state LISTEN. */
const LISTENS = new RegExp(`: 00000000:${WEB_PORT.toString(16).toUpperCase()} \\S+ 0A `);

/** The part of `docker inspect` that a test asks for. */
interface Inspected {
  readonly Id: string;
  readonly State: { readonly Pid: number };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

export class EngineContainer extends LabPod {
  readonly id: string;
  /** First process of the container, as the machine numbers it. */
  readonly pid: number;
  readonly #engine: DockerEngine;

  private constructor(engine: DockerEngine, host: Namespace, name: string, inspected: Inspected) {
    const { Id, State, NetworkSettings } = inspected;
    const token = host.environment[TOKEN_VARIABLE] ?? "";
    const [address = ""] = Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress);
    super(name, new NamespaceOfProcess(`${host.name}-${name}`, token, State.Pid), address);
    this.id = Id;
    this.pid = State.Pid;
    this.#engine = engine;
  }

  /** For {@link DockerEngine.run}. */
  static async run(
    engine: DockerEngine,
    host: Namespace,
    name: string,
    options: ContainerOptions,
  ): Promise<EngineContainer> {
    const network = options.network === undefined ? [] : ["--network", options.network];
    const stop = options.image === undefined ? [BUSYBOX_STOP] : [];
    const run = ["run", "--detach", "--name", name, ...network, ...stop, ...(options.flags ?? [])];
    await engine.docker([...run, options.image ?? BUSYBOX_IMAGE, ...(options.command ?? [])]);
    const container = await EngineContainer.find(engine, host, name);
    if (options.image === undefined && options.command === undefined) await container.#serves();
    return container;
  }

  /** The running container of this name. @throws {OverlayError} `ERR_LAB_FAILED` */
  static async find(engine: DockerEngine, host: Namespace, name: string): Promise<EngineContainer> {
    const [inspected] = JSON.parse(await engine.docker(["inspect", "--type=container", name])) as Inspected[];
    if (inspected === undefined || inspected.State.Pid === 0) {
      throw new OverlayError("ERR_LAB_FAILED", `Cannot use container ${name}: it does not run`);
    }
    return new EngineContainer(engine, host, name, inspected);
  }

  /** Runs a program of the container's own in it; resolves with its output. @throws {OverlayError} `ERR_LAB_FAILED` */
  async dockerExec(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    return await this.#engine.docker(["exec", this.name, ...argv], options);
  }

  /** Waits until the container has printed this on its standard output. @throws {Error} with what it has printed */
  async printed(text: string): Promise<void> {
    await eventually(async () => {
      const log = await this.#engine.docker(["logs", this.name]);
      if (!log.includes(text))
        throw new Error(`Container ${this.name} has not printed "${text}" but: ${log}`);
    }, MOMENT);
  }

  async #serves(): Promise<void> {
    await eventually(async () => LISTENS.test(await readFile(`/proc/${this.pid}/net/tcp`, "utf8")), MOMENT);
  }
}
