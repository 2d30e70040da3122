/**
 * Hosts for tests of backends: namespaces on one underlay whose router is every host's default route,
 * and each backend in a process of its own. No etcd, no agent: peers are set by hand.
 *
 *   pod eth0 10.244.N.2 -- veth 10.244.N.1 [host hN, device] eth0 192.0.2.N --[br0, counts leaks]-- .254 router
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { SourceCheck } from "../../src/backends/backend.ts";
import type { DatapathOptions, DatapathState } from "../../src/datapath/choose-engine.ts";
import { waitForCarrier } from "../../src/lab/machine/carrier.ts";
import { installLeakCounter, readLeakCounter } from "../../src/lab/machine/leak-counter.ts";
import { NETNS_DIRECTORY, Namespace, makeNamespaces } from "../../src/lab/machine/namespace.ts";
import { runCommand } from "../../src/lab/machine/run-command.ts";
import { connectHost, makeUnderlay } from "../../src/lab/machine/underlay.ts";
import { OverlayError } from "../../src/net/overlay-error.ts";
import type { ErrorCode } from "../../src/net/overlay-error.ts";
import type { JsonValue } from "../../src/subnet-lease/lease.ts";
import type { BackendAnswer, BackendRequest } from "./backend-child.ts";

export const NETWORK = "10.244.0.0/16";
const UNDERLAY_MTU = 1500;
/** What stands before the pid of the test's process in the names of its namespaces. */
const NAME_PREFIX = "twill-bk-";
const CHILD = fileURLToPath(new URL("./backend-child.ts", import.meta.url));

const MOUNT_AND_RUN = 'mount -o bind,ro /proc/sys /proc/sys && exec "$0" "$@"';
const DEFAULT_DATAPATH: DatapathOptions = {
  engine: "auto",
  queues: null,
  offload: "auto",
  sourcePort: "fixed",
};
const READ_ONLY_SYSCTLS = ["unshare", "--mount", "--", "sh", "-c", MOUNT_AND_RUN];

/** pino's. */
const INFO_LEVEL = 30;

let networksMade = 0;

/** What a ping sends, and how long it waits. */
export interface PingOptions {
  readonly count?: number;
  /** The whole IP packet, 28 more than what ping itself counts. */
  readonly bytes?: number;
  /** True: waits until `count` answers came, sending more when one is late. False: sends, and hardly waits. */
  readonly isAnswered?: boolean;
}

/** How a backend is made. */
interface BackendOptions {
  /** `Backend.Type` of the network config. */
  readonly type: string;
  /** The other members of `Backend`. */
  readonly config: Readonly<Record<string, JsonValue>>;
  readonly carrier: "user" | "kernel";
  readonly network: string;
  readonly formerNetwork: string | null;
  readonly interfaceIp: string;
  readonly sourceCheck: SourceCheck;
  /** What differs from the defaults of the agent's options. */
  readonly datapath?: Partial<DatapathOptions>;
  /** /proc/sys cannot be written, as in a container without privileges. */
  readonly hasReadOnlySysctls?: boolean;
}

/** One backend in its process. */
export class BackendProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, "exit");
  }

  static async start(namespace: Namespace, options: BackendOptions): Promise<BackendProcess> {
    const wrapper = options.hasReadOnlySysctls === true ? READ_ONLY_SYSCTLS : [];
    const child = namespace.start([...wrapper, process.execPath, CHILD], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const backend = new BackendProcess(child);
    const datapath = { ...DEFAULT_DATAPATH, ...options.datapath };
    await backend.ask({ do: "create", ...options, datapath });
    return backend;
  }

  /** One request at a time. @throws {OverlayError} what the backend threw */
  async ask(request: BackendRequest): Promise<unknown> {
    this.#child.send(request);
    const ended = this.#exited.then(() => {
      throw new Error(`The backend's process ended during ${request.do}`);
    });
    const [answer] = (await Promise.race([once(this.#child, "message"), ended])) as [BackendAnswer];
    if ("error" in answer) throw new OverlayError(answer.error.code as ErrorCode, answer.error.message);
    return answer.result;
  }

  async counters(): Promise<Record<string, number>> {
    return (await this.ask({ do: "readCounters" })) as Record<string, number>;
  }

  async datapath(): Promise<DatapathState | null> {
    return (await this.ask({ do: "readDatapath" })) as DatapathState | null;
  }

  /** Lines of the log that are no mere information. */
  async warnings(): Promise<unknown[]> {
    const lines = (await this.ask({ do: "readLog" })) as { readonly level: number }[];
    return lines.filter(({ level }) => level > INFO_LEVEL);
  }

  /** SIGKILL: no code of the backend runs any more. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}

/** A host, its backends, and one pod. */
export class BackendHost {
  readonly namespace: Namespace;
  readonly pod: Namespace;
  readonly underlayIp: string;
  readonly subnet: string;
  readonly #number: number;
  readonly #backends: BackendProcess[] = [];

  constructor(network: string, number: number) {
    this.namespace = new Namespace(`${network}-h${number}`, network);
    this.pod = new Namespace(`${network}-h${number}p1`, network);
    this.underlayIp = `192.0.2.${number}`;
    this.subnet = `10.244.${number}.0/24`;
    this.#number = number;
  }

  async startBackend(options: Partial<BackendOptions> = {}): Promise<BackendProcess> {
    const defaults = {
      type: "udp",
      config: {},
      carrier: "user",
      network: NETWORK,
      formerNetwork: null,
      interfaceIp: this.underlayIp,
      sourceCheck: "strict",
    } as const;
    const backend = await BackendProcess.start(this.namespace, { ...defaults, ...options });
    this.#backends.push(backend);
    return backend;
  }

  /** A backend that is open on the host's own subnet. */
  async openBackend(options: Partial<BackendOptions> = {}): Promise<BackendProcess> {
    const backend = await this.startBackend(options);
    await backend.ask({ do: "open", subnet: this.subnet });
    return backend;
  }

  /** Gives the host a pod, reached as one of Docker's is. */
  async makePod(): Promise<void> {
    const net = `10.244.${this.#number}`;
    await this.namespace.ip([
      `link add pod1 type veth peer name eth0 netns ${this.pod.name}`,
      `addr add ${net}.1/24 dev pod1`,
      "link set pod1 up",
    ]);
    await this.pod.ip([
      `addr add ${net}.2/24 dev eth0`,
      "link set eth0 up",
      `route add default via ${net}.1`,
    ]);
    await waitForCarrier(this.namespace, ["pod1"]);
    await waitForCarrier(this.pod, ["eth0"]);
  }

  /**
   * What `ip` prints for the overlay device and the main table, one fact for each line. Without what the kernel notes up to
   * a second after a carrier came or went; that there is one shows at once, in the flag `LOWER_UP`.
   */
  async show(): Promise<string[]> {
    const run = async (...args: string[]): Promise<string> =>
      (await this.namespace.exec(["ip", ...args])).stdout;
    const routes = await run("-4", "route", "show");
    const addresses = await run("-o", "address", "show", "type", "tun");
    const links = await run("-o", "link", "show", "type", "tun");
    return [...links.split("\n"), ...addresses.split("\n"), ...routes.split("\n")]
      .map((line) =>
        line
          .replace(/ linkdown| state [A-Z]+|NO-CARRIER,|\\/g, "")
          .replace(/\s+/g, " ")
          .trim(),
      )
      .filter((line) => line !== "");
  }

  async ip(...lines: string[]): Promise<void> {
    await this.namespace.ip(lines);
  }

  async interfaceIndex(name: string): Promise<number> {
    const links = JSON.parse(await this.namespace.execChecked(["ip", "-j", "link", "show", "dev", name])) as {
      ifindex: number;
    }[];
    return links[0]?.ifindex ?? NaN;
  }

  /** Packets that were sent to the device and read by the process behind it. */
  async packetsRead(name: string): Promise<number> {
    const json = await this.namespace.execChecked(["ip", "-j", "-s", "link", "show", "dev", name]);
    return (JSON.parse(json) as { stats64: { tx: { packets: number } } }[])[0]?.stats64.tx.packets ?? NaN;
  }

  async killBackends(): Promise<void> {
    await Promise.all(this.#backends.map((backend) => backend.kill()));
  }
}

/** Everything of one test; `await using` removes it. */
export class BackendNetwork implements AsyncDisposable {
  /** The router, with the bridge br0 that all hosts are on. */
  readonly underlay: Namespace;
  readonly #hosts: readonly BackendHost[];

  private constructor(name: string, hostCount: number) {
    this.underlay = new Namespace(`${name}-net`, name);
    this.#hosts = Array.from({ length: hostCount }, (_, i) => new BackendHost(name, i + 1));
  }

  static async create(hostCount: number): Promise<BackendNetwork> {
    if (networksMade === 0) await removeLeftovers();
    const network = new BackendNetwork(`${NAME_PREFIX}${process.pid}-${++networksMade}`, hostCount);
    try {
      await network.#make();
      return network;
    } catch (err) {
      await network[Symbol.asyncDispose]();
      throw err;
    }
  }

  /** Counted from 1. */
  host(number: number): BackendHost {
    const host = this.#hosts[number - 1];
    if (host === undefined) throw new RangeError(`There is no host ${number}`);
    return host;
  }

  /** Packets with an overlay address outside that reached the underlay, in clear. */
  async leaks(): Promise<number> {
    const { fromOverlay, toOverlay } = await readLeakCounter(this.underlay);
    return fromOverlay + toOverlay;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.killBackends()));
    await removeNamespaces(this.#namespaces().map((namespace) => namespace.name));
  }

  async #make(): Promise<void> {
    await makeNamespaces(this.#namespaces());
    await makeUnderlay(this.underlay, UNDERLAY_MTU);
    await installLeakCounter(this.underlay, NETWORK);
    for (const [i, host] of this.#hosts.entries()) {
      const plan = { name: `h${i + 1}`, address: host.underlayIp, mtu: UNDERLAY_MTU };
      await connectHost(this.underlay, host.namespace, plan);
      await host.makePod();
    }
  }

  #namespaces(): Namespace[] {
    return [this.underlay, ...this.#hosts.flatMap((host) => [host.namespace, host.pod])];
  }
}

async function removeNamespaces(names: readonly string[]): Promise<void> {
  const lines = names.map((name) => `netns del ${name}\n`);
  await runCommand(["ip", "-force", "-batch", "-"], { stdin: lines.join("") });
}

/** A test run that was killed removed nothing; its backends ended by themselves. */
async function removeLeftovers(): Promise<void> {
  const present = await readdir(NETNS_DIRECTORY).catch(() => []);
  const isLeft = (name: string): boolean => {
    const pid = name.startsWith(NAME_PREFIX) ? Number.parseInt(name.slice(NAME_PREFIX.length), 10) : NaN;
    return Number.isInteger(pid) && !existsSync(`/proc/${pid}`);
  };
  await removeNamespaces(present.filter(isLeft));
}

/** Makes the two, whose leases name no backend, know each other. */
export async function introduce(
  a: BackendHost,
  onA: BackendProcess,
  b: BackendHost,
  onB: BackendProcess,
): Promise<void> {
  await onA.ask({ do: "sync", peers: [{ subnet: b.subnet, underlayIp: b.underlayIp }] });
  await onB.ask({ do: "sync", peers: [{ subnet: a.subnet, underlayIp: a.underlayIp }] });
}

/** Echo requests that go on until they are stopped, whether answered or not. */
export interface Traffic {
  /** Resolves with how many were sent. */
  stop(): Promise<number>;
}

/** Without answers one ping sends each 10 ms, whatever interval it is given; so many of them leave no gap to slip through. */
const PINGS_AT_ONCE = 8;

/** Starts some 800 requests a second. */
export function startTraffic(from: Namespace, target: string): Traffic {
  const pings = Array.from({ length: PINGS_AT_ONCE }, () => startPing(from, target));
  return {
    async stop() {
      const sent = await Promise.all(pings.map((stop) => stop()));
      return sent.reduce((sum, count) => sum + count, 0);
    },
  };
}

/** Gives what stops it, and tells how many requests it sent. */
function startPing(from: Namespace, target: string): () => Promise<number> {
  const child = from.start(["ping", "-n", "-i", "0.01", target], { stdio: ["ignore", "pipe", "ignore"] });
  const closed = once(child, "close");
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return async () => {
    child.kill("SIGINT");
    await closed;
    return Number(/(\d+) packets transmitted/.exec(output)?.[1] ?? NaN);
  };
}

/** Sends echo requests; resolves with how many came back, and everything ping said. */
export async function ping(
  from: Namespace,
  target: string,
  options: PingOptions = {},
): Promise<{ received: number; output: string }> {
  const { count = 3, bytes = 84, isAnswered = true } = options;
  // After a first answer -W is two round trips, which a busy machine exceeds; -w knows no such haste.
  const wait = isAnswered ? ["-w", "10"] : ["-W", "0.2"];
  const shape = ["-c", `${count}`, "-i", "0.01", ...wait, "-M", "do", "-s", `${bytes - 28}`];
  const { stdout, stderr } = await from.exec(["ping", "-n", ...shape, target]);
  const received = /(\d+) received/.exec(stdout)?.[1] ?? "0"; // without a summary nothing could be sent
  return { received: Number(received), output: stdout + stderr };
}
