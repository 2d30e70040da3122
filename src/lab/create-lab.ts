/** Making a lab: sweep, claim the name, build in the order things need each other. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { OverlayError } from "../net/overlay-error.ts";
import { Lab } from "./lab.ts";
import { finishPackets, mixesDataPaths } from "./machine/finish-packets.ts";
import { installLeakCounter } from "./machine/leak-counter.ts";
import { NETNS_DIRECTORY, makeNamespaces } from "./machine/namespace.ts";
import { noteNetnsDirectory } from "./machine/netns-directory.ts";
import { identifyProcess } from "../files/process-identity.ts";
import { checkMachine, thisMachine } from "./machine/required-tools.ts";
import { connectHost, makeUnderlay } from "./machine/underlay.ts";
import { LabJournal } from "./record/lab-journal.ts";
import { planLab, plannedPodNamespaces } from "./record/lab-plan.ts";
import type { LabOptions } from "./record/lab-plan.ts";
import type { LabRecord } from "./record/lab-record.ts";
import { DEFAULT_STATE_DIRECTORY, checkNameFree, claimLab } from "./record/lab-store.ts";
import { sweepLabs } from "./remove-lab.ts";
import { countOf } from "./show/count-of.ts";

/** What {@link createLab} takes besides the plan. */
export interface CreateLabOptions extends LabOptions {
  /** Told in a few words what was just done. */
  readonly onProgress?: (done: string) => void;
  /** Called with what stands of a lab that could not be finished, before it is taken down. */
  readonly onFailure?: (lab: Lab) => Promise<void>;
  /** Aborted: what was made so far is taken down and the call fails with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Makes a lab, after sweeping abandoned ones of the same owner. On failure nothing of it is left.
 * @throws {OverlayError} `ERR_OPTION_INVALID`, `ERR_LAB_FAILED`
 */
export async function createLab(options: CreateLabOptions): Promise<Lab> {
  const root = options.stateDirectory ?? DEFAULT_STATE_DIRECTORY;
  const maker = identifyProcess(process.pid);
  if (maker === null) throw new OverlayError("ERR_LAB_FAILED", "Cannot make a lab: no /proc here");
  const record = planLab(options, root, maker);
  checkMachine(thisMachine());
  const swept = await sweepLabs(root, options.owner);
  if (swept.length > 0) options.onProgress?.(`took down what a crash had left: ${swept.join(", ")}`);
  checkNameFree(root, record.name);
  checkNamespacesFree([...record.namespaces, ...plannedPodNamespaces(record, options.pods ?? 1)]);
  checkSubnetFiles(options, record);
  const lab = new Lab(root, new LabJournal(await claimLab(root, record), record));
  try {
    await noteNetnsDirectory(root);
    await build(lab, options);
    return lab;
  } catch (err) {
    try {
      if (options.signal?.aborted !== true) await options.onFailure?.(lab);
    } finally {
      await lab.down();
    }
    throw err;
  }
}

async function build(lab: Lab, options: CreateLabOptions): Promise<void> {
  const { signal, onProgress = () => undefined } = options;
  const { underlayMtu, network, countsLeaks, backend } = lab.record;
  await makeNamespaces([lab.underlay, ...lab.hosts.map((host) => host.namespace)], signal);
  await makeUnderlay(lab.underlay, underlayMtu, signal);
  if (countsLeaks) await installLeakCounter(lab.underlay, network, signal);
  for (const host of lab.hosts) {
    const plan = { name: host.name, address: host.underlayIp, mtu: underlayMtu };
    await connectHost(lab.underlay, host.namespace, plan, signal);
  }
  const flags = lab.hosts.map((host) => host.agentFlags);
  if (mixesDataPaths(backend.type, flags))
    for (const host of lab.hosts) await finishPackets(host.namespace, signal);
  onProgress(`${countOf(lab.hosts.length, "host")} on the underlay bridge`);

  const hasEtcd = options.etcd ?? true;
  if (hasEtcd) {
    await lab.etcd.start(signal);
    await lab.etcd.putConfig({ Network: network, ...options.networkConfig });
    onProgress(`etcd answers at ${lab.etcd.url}, network config written`);
  }
  if (options.agents ?? hasEtcd) {
    await lab.startAgents([], signal);
    onProgress(agentsReady(lab.hosts.length));
    const pods = options.pods ?? 1;
    await lab.addPods(pods, signal);
    onProgress(`${countOf(pods * lab.hosts.length, "pod")} connected`);
  }
  await lab.markUp();
}

function agentsReady(count: number): string {
  return count === 1 ? "1 agent has its subnet" : `${count} agents have their subnets and know each other`;
}

/** A namespace of ours without a record is somebody's: we would take it down as our own later. */
function checkNamespacesFree(names: readonly string[]): void {
  const taken = names.filter((name) => existsSync(join(NETNS_DIRECTORY, name)));
  if (taken.length === 0) return;
  throw new OverlayError(
    "ERR_LAB_FAILED",
    `Cannot make a lab: namespace ${taken.join(", ")} is there, and no record says that a lab made it; use another name, or remove it (ip netns del)`,
  );
}

/** Subnet files outside the lab's folder: they must not be another's, such as the real host's, nor need new folders. */
function checkSubnetFiles(options: LabOptions, record: LabRecord): void {
  if (options.subnetFile === undefined) return;
  for (const { subnetFile } of record.hosts) {
    if (existsSync(subnetFile)) {
      throw new OverlayError(
        "ERR_LAB_FAILED",
        `Cannot make a lab: there is a file ${subnetFile}, and it is not the lab's`,
      );
    }
    if (!existsSync(dirname(subnetFile))) {
      throw new OverlayError(
        "ERR_LAB_FAILED",
        `Cannot make a lab: there is no directory ${dirname(subnetFile)}`,
      );
    }
  }
}
