/** What to do about the Docker network: decided from what the engine has, nothing is done here. */
import type { SubnetFile } from "../../files/subnet-file.ts";
import { Ipv4Prefix } from "../../net/ipv4.ts";
import { escapeUntrusted, showUntrusted } from "../../net/untrusted-text.ts";
import { shortId } from "../short-id.ts";
import { describeRival } from "../../net/lease-rival.ts";
import { shellWord } from "../../net/shell-word.ts";
import { findRival } from "../occupied-lease.ts";
import type { HostDevices } from "../host-devices.ts";
import type { DockerNetwork, EngineVersion } from "./docker-state.ts";
import {
  BRIDGE_NAME,
  DEFAULT_BRIDGE,
  SUBNET_LABEL,
  createArguments,
  createCommandLine,
  dropsUnpublished,
  knowsTrustedInterfaces,
  networkOptions,
} from "./wanted-network.ts";
import type { NetworkRequest } from "./wanted-network.ts";

/** What is wanted, and what there is. */
export interface NetworkSituation {
  readonly request: NetworkRequest;
  readonly lease: SubnetFile;
  readonly engine: EngineVersion;
  /** All networks of the engine. */
  readonly networks: readonly DockerNetwork[];
  readonly host: HostDevices;
}

/** The decision. `refuse` has the sentence for the user, with what to do. */
export type NetworkPlan =
  | { readonly kind: "create"; readonly args: readonly string[]; readonly notes: readonly string[] }
  | { readonly kind: "keep"; readonly notes: readonly string[] }
  | { readonly kind: "refuse"; readonly sentence: string };

/** Docker's default network, whose bridge is docker0. */
const DEFAULT_NETWORK = "bridge";

/** Decides whether the network is to be made, is there as it should be, or what stands in the way. */
export function planDockerNetwork(situation: NetworkSituation): NetworkPlan {
  const { request, lease, engine, networks } = situation;
  const unable = findUnable(request, engine);
  if (unable !== null)
    return { kind: "refuse", sentence: `Cannot make network "${request.name}": ${unable}` };

  const own = networks.find(({ name }) => name === request.name);
  if (own !== undefined) return planPresent(own, situation);
  const inTheWay = findInTheWay(situation);
  if (inTheWay !== null)
    return { kind: "refuse", sentence: `Cannot make network "${request.name}": ${inTheWay}` };
  return { kind: "create", args: createArguments(request, lease, engine), notes: notesFor(situation) };
}

/** What becomes of a network that has the name. */
function planPresent(own: DockerNetwork, situation: NetworkSituation): NetworkPlan {
  const { request, lease, host } = situation;
  const cannot = `Cannot keep network "${own.name}":`;
  const fault = findFault(own, situation);
  if (fault !== null && isForeign(own, lease.subnet)) {
    const state = "Docker has one of this name that twill docker-network did not make";
    return { kind: "refuse", sentence: `Cannot make network "${own.name}": ${state}; use another name` };
  }
  if (fault !== null)
    return { kind: "refuse", sentence: `${cannot} ${fault}; ${remakeAdvice(own, request)}` };
  const rival = findRival(lease.subnet, bridgeOf(own), host);
  if (rival !== null) return { kind: "refuse", sentence: `${cannot} ${describeRival(rival, lease.subnet)}` };
  return { kind: "keep", notes: notesFor(situation) };
}

/** Whether it is somebody else's, for another purpose: what has the lease would be in the way under any name. */
function isForeign(network: DockerNetwork, subnet: Ipv4Prefix): boolean {
  return !network.labels.has(SUBNET_LABEL) && overlapOf(network, subnet) === null;
}

/** What this engine or this host cannot do of the request. */
function findUnable(
  { isPublishedOnly, overlayDevices }: NetworkRequest,
  engine: EngineVersion,
): string | null {
  if (!isPublishedOnly) return null;
  if (!knowsTrustedInterfaces(engine)) {
    return (
      `Docker ${escapeUntrusted(engine.text)} cannot tell published ports of the overlay from others; ` +
      "use 28.2 or newer, or leave out --published-only"
    );
  }
  if (overlayDevices.length > 0) return null;
  return "there is no overlay device (flannel0, flannel.1) on this host; with host-gw give the underlay's by --overlay-device";
}

/** A network or a device that has the subnet or the bridge's name. */
function findInTheWay({ request, lease, networks, host }: NetworkSituation): string | null {
  const bridge = request.bridge ?? DEFAULT_BRIDGE;
  for (const network of networks) {
    const overlap = overlapOf(network, lease.subnet);
    if (overlap !== null) return describeOverlap(network, overlap, lease.subnet);
    if (network.options.get(BRIDGE_NAME) === bridge) {
      return `Docker's network ${showUntrusted(network.name)} has the bridge ${bridge}; give another name by --bridge`;
    }
  }
  const rival = findRival(lease.subnet, null, host);
  return rival === null ? findNamesake(bridge, host) : describeRival(rival, lease.subnet);
}

/** What is wrong where the new network's bridge would find its name taken, and how to mend it; or null. */
function findNamesake(bridgeName: string, { links }: HostDevices): string | null {
  if (!links.some(({ name }) => name === bridgeName)) return null;
  return (
    `there is a device ${bridgeName} that is no bridge of Docker's; remove it once nobody needs it ` +
    `(ip link delete dev ${bridgeName}), or give another name by --bridge`
  );
}

/** Name of the bridge of a network that Docker has made. */
function bridgeOf({ id, options }: DockerNetwork): string {
  return options.get(BRIDGE_NAME) ?? `br-${shortId(id)}`;
}

/** The network's part of the subnet, or what the subnet is a part of; null when there is none. */
function overlapOf({ pools }: DockerNetwork, subnet: Ipv4Prefix): string | null {
  const overlap = pools.find((pool) => Ipv4Prefix.parseContaining(pool.subnet)?.overlaps(subnet) === true);
  return overlap?.subnet ?? null;
}

function describeOverlap(network: DockerNetwork, subnetText: string, subnet: Ipv4Prefix): string {
  const lease = subnet.toString();
  const claim = subnetText === lease ? ", this host's lease" : `, so this host's lease ${lease} is taken`;
  const which = `Docker's network ${showUntrusted(network.name)} has ${escapeUntrusted(subnetText)}${claim}`;
  if (network.name === DEFAULT_NETWORK) {
    return `${which}; with dockerd's --bip there every container is on the overlay already`;
  }
  return `${which}; use that network, or remove it: ${removeCommands(network)}`;
}

/** What is not as it should be in a network of the wanted name, or null. */
function findFault(own: DockerNetwork, { request, lease, engine }: NetworkSituation): string | null {
  if (own.driver !== "bridge") return `it is of the driver ${showUntrusted(own.driver)}, not a bridge`;
  const subnet = lease.subnet.toString();
  const pool = own.pools[0] ?? { subnet: "no subnet", gateway: "none" };
  if (pool.subnet !== subnet) {
    return `it has ${escapeUntrusted(pool.subnet)} and this host's lease is ${subnet} now, so no other host reaches it`;
  }
  const gateway = lease.gateway.toString();
  if (pool.gateway !== gateway) return `its gateway is ${escapeUntrusted(pool.gateway)}, not ${gateway}`;
  for (const [key, value] of networkOptions(request, lease, engine)) {
    if (key === BRIDGE_NAME && request.bridge === null) continue;
    const present = own.options.get(key);
    if (present !== value)
      return `its ${key} is ${present === undefined ? "not set" : showUntrusted(present)}, not "${value}"`;
  }
  return null;
}

/** Commands for the whole way, so that its running containers are in the network again at the end. */
function remakeAdvice(own: DockerNetwork, request: NetworkRequest): string {
  const { name, containers } = own;
  const connects = containers.map((one) => ` && docker network connect ${shellWord(name)} ${shellWord(one)}`);
  return `make it anew: ${removeCommands(own)} && ${createCommandLine(request)}${connects.join("")}`;
}

function removeCommands({ name, containers }: DockerNetwork): string {
  const network = shellWord(name);
  const disconnects = containers.map(
    (one) => `docker network disconnect --force ${network} ${shellWord(one)} && `,
  );
  return `${disconnects.join("")}docker network rm ${network}`;
}

/** What the user should know about the network. */
function notesFor({ request, lease, engine }: NetworkSituation): string[] {
  const notes: string[] = [];
  if (!lease.ipMasq) {
    notes.push(
      "The agent runs without --ip-masq and Docker must not masquerade here, because that would hide the containers' " +
        "addresses from other hosts: they reach the internet only where a router knows the way back. Start the agent with --ip-masq to change that.",
    );
  }
  if (dropsUnpublished(engine) && !request.isPublishedOnly) {
    notes.push(
      "Every port of its containers is open to whoever has a route to them, as with Docker before 28; " +
        "--published-only makes a network that opens published ports alone.",
    );
  }
  return notes;
}
