/** `twill docker-network create`: makes what is missing, keeps what is right, and says what stands in the way. */
import { readSubnetFile } from "../../files/read-subnet-file.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { failureText } from "../../kernel/run-program.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { escapeUntrusted } from "../../net/untrusted-text.ts";
import { readHostDevices } from "../host-devices.ts";
import type { HostDevices } from "../host-devices.ts";
import { dockerError } from "./docker-command.ts";
import type { DockerCommand } from "./docker-command.ts";
import { parseEngineVersion, parseNetworks } from "./docker-state.ts";
import type { DockerNetwork, EngineVersion } from "./docker-state.ts";
import { planDockerNetwork } from "./plan-docker-network.ts";
import { checkNames } from "./wanted-network.ts";
import type { NetworkRequest } from "./wanted-network.ts";

/** Devices of the backends that have one: flannel0 of udp, flannel.<VNI> of vxlan. */
const OVERLAY_DEVICE = /^flannel(?:[0-9]+|\.[0-9]+)$/;

/**
 * Ensures the network; resolves with sentences for the user.
 * @throws {OverlayError} `ERR_OPTION_INVALID`, `ERR_LEASE_MISSING`, `ERR_FILE_FAILED`, `ERR_KERNEL_FAILED` without a `docker`
 *   or an `ip` to run, `ERR_DOCKER_FAILED` for everything that Docker, its networks or the host's devices refuse
 */
export async function ensureDockerNetwork(
  asked: NetworkRequest,
  docker: DockerCommand,
  ip: IpCommand,
  signal: AbortSignal,
): Promise<readonly string[]> {
  checkNames(asked);
  const lease = await readSubnetFile(asked.subnetFile);
  const engine = await readEngineVersion(docker, signal);
  const networks = await readNetworks(docker, signal);
  const host = await readHostDevices(ip, signal);
  const request = withOverlayDevices(asked, host);
  const plan = planDockerNetwork({ request, lease, engine, networks, host });
  if (plan.kind === "refuse") throw new OverlayError("ERR_DOCKER_FAILED", plan.sentence);
  if (plan.kind === "create") {
    const run = await docker(plan.args, signal);
    if (run.error !== null) throw dockerError(`make network "${request.name}"`, run);
  }
  const done = plan.kind === "create" ? "made" : "there already";
  const facts = `subnet ${lease.subnet.toString()}, gateway ${lease.gateway.toString()}, MTU ${lease.overlayMtu}`;
  return [`Docker network "${request.name}" is ${done}: ${facts}`, ...plan.notes];
}

async function readEngineVersion(docker: DockerCommand, signal: AbortSignal): Promise<EngineVersion> {
  const run = await docker(["version", "--format", "{{json .Server}}"], signal);
  if (run.error !== null) throw dockerError("ask Docker for its version", run);
  const version = parseEngineVersion(run.stdout);
  if (version !== null) return version;
  const said = escapeUntrusted(run.stdout.trim());
  throw new OverlayError("ERR_DOCKER_FAILED", `Cannot read Docker's version: it said "${said}"`);
}

/** All networks, by their ids: a name may be the beginning of another one's id, and then inspects that one. */
async function readNetworks(docker: DockerCommand, signal: AbortSignal): Promise<DockerNetwork[]> {
  const list = await docker(["network", "ls", "--quiet", "--no-trunc"], signal);
  if (list.error !== null) throw dockerError("list Docker's networks", list);
  const ids = list.stdout.split("\n").filter((line) => /^[0-9a-z]+$/.test(line));
  if (ids.length === 0) return [];
  const run = await docker(["network", "inspect", ...ids], signal);
  const networks = parseNetworks(run.stdout);
  // One that was removed since the listing is named on standard error, and the others are printed all the same.
  const isGone = /No such network|network \S+ not found/i.test(failureText(run));
  if (networks === null || (run.error !== null && !isGone))
    throw dockerError("inspect Docker's networks", run);
  return networks;
}

function withOverlayDevices(request: NetworkRequest, { links }: HostDevices): NetworkRequest {
  if (!request.isPublishedOnly || request.overlayDevices.length > 0) return request;
  const names = links.map(({ name }) => name).filter((name) => OVERLAY_DEVICE.test(name));
  return { ...request, overlayDevices: names.sort() };
}
