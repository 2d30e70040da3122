/**
 * A lab: hosts as network namespaces on an underlay bridge, one real etcd, an agent and pods on each host.
 * Used by `twill lab` and, the same, by the tests in network namespaces.
 */
import { OverlayError } from "../net/overlay-error.ts";
import { LabHost } from "./host/lab-host.ts";
import type { LabNode } from "./host/lab-node.ts";
import type { LabPod } from "./host/lab-pod.ts";
import { LabEtcd } from "./lab-etcd.ts";
import { readLeakCounter } from "./machine/leak-counter.ts";
import type { LeakedPackets } from "./machine/leak-counter.ts";
import { Namespace } from "./machine/namespace.ts";
import { underlayIpOf } from "./record/address-plan.ts";
import { LabJournal } from "./record/lab-journal.ts";
import { readLabRecord } from "./record/record-file.ts";
import type { LabRecord } from "./record/lab-record.ts";
import { DEFAULT_STATE_DIRECTORY, labDirectory } from "./record/lab-store.ts";
import { UNDERLAY_NAME, namespaceName } from "./record/names.ts";
import { removeLab } from "./remove-lab.ts";

/** An agent leases and hears of the others in well under a second; the rest is for a busy machine. */
export const AGENT_READY_TIMEOUT_MS = 20_000;

/** Several hosts on one machine. `await using` it, or call {@link down}. */
export class Lab implements AsyncDisposable {
  readonly underlay: Namespace;
  readonly etcd: LabEtcd;
  readonly hosts: readonly LabHost[];
  readonly root: string;
  readonly #journal: LabJournal;

  constructor(root: string, journal: LabJournal) {
    const { record } = journal;
    this.root = root;
    this.#journal = journal;
    this.underlay = new Namespace(namespaceName(record.name, UNDERLAY_NAME), record.token);
    this.etcd = new LabEtcd(this.underlay, journal);
    this.hosts = record.hosts.map(
      (host, i) => new LabHost(host, underlayIpOf(i + 1), journal, this.etcd.url),
    );
  }

  /** As recorded now. */
  get record(): LabRecord {
    return this.#journal.record;
  }

  get name(): string {
    return this.record.name;
  }

  /** Folder with lab.json, etcd's data and, per host, the agent's files and log. */
  get directory(): string {
    return this.#journal.directory;
  }

  /** The overlay network that was asked for. */
  get network(): string {
    return this.record.network;
  }

  /** Every pod, host by host. */
  get pods(): LabPod[] {
    return this.hosts.flatMap((host) => host.pods);
  }

  /** The host with this index, counted from 0. @throws {RangeError} when there is none */
  host(index: number): LabHost {
    const host = this.hosts[index];
    if (host === undefined)
      throw new RangeError(`Cannot use host ${index}: the lab has ${this.hosts.length}`);
    return host;
  }

  /** The pod with this index over all hosts, counted from 0. @throws {RangeError} when there is none */
  pod(index: number): LabPod {
    const pod = this.pods[index];
    if (pod === undefined) throw new RangeError(`Cannot use pod ${index}: the lab has ${this.pods.length}`);
    return pod;
  }

  /** The host or pod of this name, or null. */
  find(name: string): LabNode | null {
    return [...this.hosts, ...this.pods].find((node) => node.name === name) ?? null;
  }

  /**
   * Packets with an overlay address that crossed the underlay in clear, by direction.
   * @throws {OverlayError} `ERR_LAB_FAILED` in a lab that does not count them, as where the backend sends them so
   */
  async leaks(): Promise<LeakedPackets> {
    const { countsLeaks, name, backend } = this.record;
    if (countsLeaks) return await readLeakCounter(this.underlay);
    const why = backend.isInClear
      ? `its packets cross the underlay in clear by design (${backend.type}); countLeaks: true counts them all the same`
      : "it was made without a counter (countLeaks: false)";
    throw new OverlayError("ERR_LAB_FAILED", `Cannot count leaks in lab ${name}: ${why}`);
  }

  /** Their number, which is to be 0. @throws as {@link leaks} */
  async leakedPackets(): Promise<number> {
    const { fromOverlay, toOverlay } = await this.leaks();
    return fromOverlay + toOverlay;
  }

  /** Starts an agent on each host, as {@link LabHost.startAgent}, and waits until each is ready and knows all others. */
  async startAgents(flags: readonly string[] = [], signal?: AbortSignal): Promise<void> {
    const agents = await Promise.all(this.hosts.map((host) => host.startAgent(flags)));
    await Promise.all(
      agents.map(async (agent) => {
        await agent.waitReady(AGENT_READY_TIMEOUT_MS, signal);
        await agent.waitForPeers(this.hosts.length - 1, AGENT_READY_TIMEOUT_MS, signal);
      }),
    );
  }

  /** Adds pods to every host, whose agents must be ready. */
  async addPods(perHost: number, signal?: AbortSignal): Promise<void> {
    await Promise.all(
      this.hosts.map(async (host) => {
        for (let i = 0; i < perHost; i++) await host.addPod(signal);
      }),
    );
  }

  /** Takes everything down that the lab made; repeating it is no error. */
  async down(): Promise<void> {
    const standing = await readLabRecord(this.directory);
    if (standing !== null && standing.token !== this.record.token) return; // ours is gone, another has its name
    await removeLab(this.root, this.record);
  }

  /** Lets this program end while the lab stays. */
  release(): void {
    this.etcd.release();
    for (const host of this.hosts) host.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  /** For {@link createLab}: everything stands. */
  async markUp(): Promise<void> {
    await this.#journal.update((record) => ({ ...record, stage: "up" }));
  }
}

/** The lab of this name that an earlier command made, or null when there is none. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function openLab(name: string, root = DEFAULT_STATE_DIRECTORY): Promise<Lab | null> {
  const directory = labDirectory(root, name);
  const record = await readLabRecord(directory);
  return record === null ? null : new Lab(root, new LabJournal(directory, record));
}
