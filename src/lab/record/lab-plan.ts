/** A lab on paper: options checked, every name and address decided, before anything is made. */
import { randomBytes, randomUUID } from "node:crypto";
import { join, resolve } from "node:path";
import { OverlayError } from "../../net/overlay-error.ts";
import type { ProcessIdentity } from "../../files/process-identity.ts";
import {
  DEFAULT_OVERLAY_NETWORK,
  DEFAULT_UNDERLAY_MTU,
  MAX_HOSTS,
  MAX_PODS_PER_HOST,
  MAX_UNDERLAY_MTU,
  MIN_UNDERLAY_MTU,
  checkCount,
  parseOverlayNetwork,
} from "./address-plan.ts";
import { labBackendOf } from "./lab-backend.ts";
import { RECORD_VERSION } from "./lab-record.ts";
import type { LabOwner, LabRecord } from "./lab-record.ts";
import { labDirectory } from "./lab-store.ts";
import { UNDERLAY_NAME, checkLabName, hostName, namespaceName, podName } from "./names.ts";

/** What a lab is to be. */
export interface LabOptions {
  /** Default: `lab` for a user, else one that nobody has. */
  readonly name?: string | undefined;
  /** Who it is for: any but a user's ends with the process that made it. */
  readonly owner: LabOwner;
  /** Folder of all labs. Default /run/twill-lab. */
  readonly stateDirectory?: string | undefined;
  /** 1 to 50. */
  readonly hosts: number;
  /** Pods on each host once its agent is ready. Default 1; without agents none. */
  readonly pods?: number | undefined;
  /** Overlay network. Default 10.244.0.0/16. */
  readonly network?: string | undefined;
  /** Members of the network config beside `Network`, as `{ Backend: { Type: "vxlan" } }`. Without `Backend`: udp. */
  readonly networkConfig?: Readonly<Record<string, unknown>> | undefined;
  /** Default 1500. */
  readonly underlayMtu?: number | undefined;
  /** Starts etcd and writes the network config. Default true. */
  readonly etcd?: boolean | undefined;
  /** Starts an agent on each host and waits until they know each other. Default: as `etcd`. */
  readonly agents?: boolean | undefined;
  /** Flags for every agent, after the lab's own, whenever it is started. */
  readonly agentFlags?: readonly string[] | undefined;
  /** Further flags for the agents of some hosts, by the host's name, after those for every agent, so they win. */
  readonly hostFlags?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * Counts packets that cross the underlay in clear, as {@link Lab.leaks} needs it. Default: where there are not to be
   * any, that is, not with host-gw or direct routing.
   */
  readonly countLeaks?: boolean | undefined;
  /** Path of each host's subnet file, with `%h` for the host's name. Default: in the lab's folder. */
  readonly subnetFile?: string | undefined;
}

/** Bytes of a made-up name: two labs of one machine will not meet by chance. */
const RANDOM_NAME_BYTES = 4;
const HOST_PLACEHOLDER = "%h";

/** Decides everything about a new lab. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function planLab(options: LabOptions, root: string, maker: ProcessIdentity): LabRecord {
  const name = options.name ?? defaultName(options.owner, maker);
  checkLabName(name);
  checkCount("hosts", options.hosts, 1, MAX_HOSTS);
  checkCount("pods", options.pods ?? 1, 0, MAX_PODS_PER_HOST);
  const underlayMtu = options.underlayMtu ?? DEFAULT_UNDERLAY_MTU;
  checkCount("underlay MTU", underlayMtu, MIN_UNDERLAY_MTU, MAX_UNDERLAY_MTU);
  const network = parseOverlayNetwork(options.network ?? DEFAULT_OVERLAY_NETWORK).toString();
  const hosts = Array.from({ length: options.hosts }, (_, i) => hostName(i + 1));
  const subnetFileOf = subnetFiles(options, join(labDirectory(root, name)));
  const flagsOf = agentFlags(options, hosts);
  const backend = labBackendOf(options.networkConfig);
  return {
    version: RECORD_VERSION,
    name,
    owner: options.owner,
    token: randomUUID(),
    maker,
    stage: "making",
    namespaces: [UNDERLAY_NAME, ...hosts].map((member) => namespaceName(name, member)),
    network,
    underlayMtu,
    backend,
    countsLeaks: options.countLeaks ?? !backend.isInClear,
    etcd: null,
    hosts: hosts.map((host) => ({
      name: host,
      subnetFile: subnetFileOf(host),
      agentFlags: flagsOf(host),
      agent: null,
      pods: [],
    })),
  };
}

/** Namespaces of the pods that will be made once the agents are ready: their names must be free, too. */
export function plannedPodNamespaces(record: LabRecord, podsPerHost: number): string[] {
  return record.hosts.flatMap((host) =>
    Array.from({ length: podsPerHost }, (_, i) => namespaceName(record.name, podName(host.name, i + 1))),
  );
}

function defaultName(owner: LabOwner, maker: ProcessIdentity): string {
  if (owner === "user") return "lab";
  if (owner === "demo" || owner === "bench") return `${owner}-${maker.pid}`;
  return `test-${randomBytes(RANDOM_NAME_BYTES).toString("hex")}`;
}

function agentFlags(options: LabOptions, hosts: readonly string[]): (host: string) => readonly string[] {
  const { agentFlags: forAll = [], hostFlags = {} } = options;
  const stranger = Object.keys(hostFlags).find((name) => !hosts.includes(name));
  if (stranger !== undefined) {
    throw new OverlayError(
      "ERR_OPTION_INVALID",
      `Cannot give flags to the agent of ${JSON.stringify(stranger)}: the lab has ${hosts.join(", ")}`,
    );
  }
  return (host) => [...forAll, ...(hostFlags[host] ?? [])];
}

function subnetFiles(options: LabOptions, directory: string): (host: string) => string {
  const template = options.subnetFile ?? join(directory, HOST_PLACEHOLDER, "subnet.env");
  if (options.hosts > 1 && !template.includes(HOST_PLACEHOLDER)) {
    throw new OverlayError(
      "ERR_OPTION_INVALID",
      `Cannot use one subnet file for ${options.hosts} hosts: put %h, the host's name, into ${JSON.stringify(template)}`,
    );
  }
  return (host) => resolve(template.replaceAll(HOST_PLACEHOLDER, host));
}
