/** A host of a lab: a namespace on the underlay, an agent, pods. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Ipv4Address } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { LabProcess } from "../machine/lab-process.ts";
import { Namespace, makeNamespaces } from "../machine/namespace.ts";
import { podIpOf } from "../record/address-plan.ts";
import type { LabJournal } from "../record/lab-journal.ts";
import type { HostRecord } from "../record/lab-record.ts";
import { namespaceName, podName } from "../record/names.ts";
import { LabAgent, agentFiles } from "./lab-agent.ts";
import type { AgentFiles } from "./lab-agent.ts";
import { LabNode } from "./lab-node.ts";
import { LabPod, connectPod, ensurePodBridge, setPodMtu } from "./lab-pod.ts";
import { parseSubnetFile } from "../../files/subnet-file.ts";
import type { SubnetFile } from "../../files/subnet-file.ts";

/** How to start an agent, beyond what the lab says itself. */
export interface StartAgentOptions {
  /** Variables for the agent, as `FLANNELD_ETCD_PREFIX`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Another build of twill than this, as `/srv/other/bin/twill`. */
  readonly program?: readonly string[];
}

export class LabHost extends LabNode {
  readonly underlayIp: string;
  readonly files: AgentFiles;
  /** What each agent here is started with, after the flags that every lab's agent has. */
  readonly agentFlags: readonly string[];
  readonly #journal: LabJournal;
  readonly #etcdUrl: string;
  readonly #pods: LabPod[];
  #agent: LabAgent | null;

  constructor(record: HostRecord, underlayIp: Ipv4Address, journal: LabJournal, etcdUrl: string) {
    const { name: lab, token } = journal.record;
    super(record.name, new Namespace(namespaceName(lab, record.name), token));
    this.underlayIp = underlayIp.toString();
    this.files = agentFiles(join(journal.directory, record.name), record.subnetFile);
    this.agentFlags = record.agentFlags;
    this.#journal = journal;
    this.#etcdUrl = etcdUrl;
    this.#agent = record.agent === null ? null : new LabAgent(LabProcess.adopt(record.agent), this.files);
    this.#pods = record.pods.map(
      (pod) => new LabPod(pod.name, new Namespace(namespaceName(lab, pod.name), token), pod.address),
    );
  }

  /** The agent that was started last. @throws {OverlayError} `ERR_LAB_FAILED` before the first */
  get agent(): LabAgent {
    if (this.#agent !== null) return this.#agent;
    throw new OverlayError("ERR_LAB_FAILED", `Cannot use the agent of ${this.name}: none was started`);
  }

  /** Whether an agent was started here, running or not. */
  get hasAgent(): boolean {
    return this.#agent !== null;
  }

  /** In the order they were made. */
  get pods(): readonly LabPod[] {
    return this.#pods;
  }

  /** The only pod, or the first. @throws {OverlayError} `ERR_LAB_FAILED` when there is none */
  get pod(): LabPod {
    const [pod] = this.#pods;
    if (pod !== undefined) return pod;
    throw new OverlayError("ERR_LAB_FAILED", `Cannot use the pod of ${this.name}: it has none`);
  }

  /** Starts an agent; `flags` stand after those of the lab and of this host, so they win. Await its `waitReady`. */
  async startAgent(flags: readonly string[] = [], options: StartAgentOptions = {}): Promise<LabAgent> {
    const agent = await LabAgent.start({
      namespace: this.namespace,
      files: this.files,
      etcdUrl: this.#etcdUrl,
      flags: [...this.agentFlags, ...flags],
      env: options.env ?? {},
      program: options.program,
    });
    this.#agent = agent;
    await this.#journal.updateHost(this.name, (host) => ({ ...host, agent: agent.process.identity }));
    return agent;
  }

  /** Starts the agent anew with the flags it was made with; one that runs is ended first, whoever started it. */
  async restartAgent(): Promise<LabAgent> {
    if (this.#agent !== null) await (await this.#agent.current()).stop();
    return await this.startAgent();
  }

  /** What the agent told this host's containers. @throws {OverlayError} `ERR_LAB_FAILED` when there is no usable file */
  async subnetFile(): Promise<SubnetFile> {
    const path = this.files.subnetFile;
    const text = await readFile(path, "utf8").catch((err: unknown) => {
      throw new OverlayError("ERR_LAB_FAILED", `Cannot read the subnet file of ${this.name}: ${String(err)}`);
    });
    const file = parseSubnetFile(text);
    if (file !== null) return file;
    throw new OverlayError("ERR_LAB_FAILED", `Cannot use ${path}: a value is missing or wrong`);
  }

  /** First address of this host's subnet, the pods' gateway. @throws as {@link subnetFile} */
  async gateway(): Promise<string> {
    return (await this.subnetFile()).gateway.toString();
  }

  /** Makes one more pod, as the subnet file says at this moment. @throws as {@link subnetFile} */
  async addPod(signal?: AbortSignal): Promise<LabPod> {
    const file = await this.subnetFile();
    const number = this.#pods.length + 1;
    const name = podName(this.name, number);
    const address = podIpOf(file.gateway, number);
    const { record } = this.#journal;
    const namespace = new Namespace(namespaceName(record.name, name), record.token);
    const pod = new LabPod(name, namespace, address.toString());
    this.#pods.push(pod); // before any wait: two at once get two numbers
    await this.#journal.update((old) => ({
      ...old,
      namespaces: old.namespaces.includes(namespace.name)
        ? old.namespaces
        : [...old.namespaces, namespace.name],
      hosts: old.hosts.map((host) =>
        host.name === this.name ? { ...host, pods: [...host.pods, { name, address: pod.address }] } : host,
      ),
    }));
    await makeNamespaces([namespace], signal);
    await ensurePodBridge(this.namespace, file, signal);
    await connectPod(this.namespace, namespace, { address, number, file }, signal);
    return pod;
  }

  /** Gives this host's pods, and the bridge they hang on, another MTU than the subnet file said when they were made. */
  async setPodMtu(overlayMtu: number, signal?: AbortSignal): Promise<void> {
    const pods = this.#pods.map((pod) => pod.namespace);
    await setPodMtu(this.namespace, pods, overlayMtu, signal);
  }

  /** Lets this program end while the agent goes on. */
  release(): void {
    this.#agent?.process.release();
  }
}
