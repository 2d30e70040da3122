/** The Docker network that puts containers on the host's lease. */
import { DEFAULT_SUBNET_FILE } from "../../files/read-subnet-file.ts";
import type { SubnetFile } from "../../files/subnet-file.ts";
import { PLAIN_DEVICE_NAME_ADVICE, isDeviceName, isPlainDeviceName } from "../../net/device-name.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrusted } from "../../net/untrusted-text.ts";
import type { EngineVersion } from "./docker-state.ts";
import { shellWord } from "../../net/shell-word.ts";

/** Name of the bridge unless the user has another wish. */
export const DEFAULT_BRIDGE = "twill0";

/** What the user asks for. */
export interface NetworkRequest {
  readonly name: string;
  readonly subnetFile: string;
  /** Null: {@link DEFAULT_BRIDGE}, and an existing network may have any. */
  readonly bridge: string | null;
  /** On engines that can tell them apart, other hosts reach published ports alone. */
  readonly isPublishedOnly: boolean;
  /** Devices that packets of other hosts come in by, as the user named them. */
  readonly overlayDevices: readonly string[];
}

/** Options of Docker's bridge driver. */
export const BRIDGE_NAME = "com.docker.network.bridge.name";
const MTU = "com.docker.network.driver.mtu";
const MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade";
const GATEWAY_MODE = "com.docker.network.bridge.gateway_mode_ipv4";
const TRUSTED_INTERFACES = "com.docker.network.bridge.trusted_host_interfaces";

/** Label of the networks that `twill docker-network` makes: the subnet they were made on. */
export const SUBNET_LABEL = "twill.subnet";

/** Networks that every engine has by itself. */
const PREDEFINED = new Set(["bridge", "host", "none", "default"]);
/** Docker's own rule, with an end. */
const NETWORK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** @throws {OverlayError} `ERR_OPTION_INVALID` for a name that Docker or the kernel would refuse */
export function checkNames({ name, bridge, overlayDevices }: NetworkRequest): void {
  if (!NETWORK_NAME.test(name)) {
    throw invalid(`network name ${showUntrusted(name)}: use letters, digits, "_", "." and "-"`);
  }
  if (PREDEFINED.has(name))
    throw invalid(`network name "${name}": Docker has a network of that name by itself`);
  if (bridge !== null && !isPlainDeviceName(bridge))
    throw invalid(`bridge name ${showUntrusted(bridge)}: ${PLAIN_DEVICE_NAME_ADVICE}`);
  // One that is there already, whatever its name. A colon, which no device has, separates them in Docker's option.
  const unusable = overlayDevices.find((device) => !isDeviceName(device));
  if (unusable !== undefined)
    throw invalid(`overlay device ${showUntrusted(unusable)}: no device has such a name, see ip link`);
}

function invalid(what: string): OverlayError {
  return new OverlayError("ERR_OPTION_INVALID", `Cannot use ${what}`);
}

/** Since 28.0 an engine drops what comes from outside to a port that is not published, in two tables. */
export function dropsUnpublished({ major }: EngineVersion): boolean {
  return major >= 28;
}

/** Since 28.2 it can be told of interfaces from which published ports are reached by the container's address. */
export function knowsTrustedInterfaces({ major, minor }: EngineVersion): boolean {
  return major > 28 || (major === 28 && minor >= 2);
}

/**
 * The options of the network, for this engine.
 *
 * Docker's masquerading is off in any case. Its rule is "what leaves the bridge's subnet by any other interface", which a
 * packet to a container of another host does: it would arrive with the address of the overlay device. With --ip-masq the
 * agent masquerades, without the overlay; without it nobody does.
 *
 * From engine 28 on, trusted interfaces alone let other hosts reach published ports and nothing else, not even a ping:
 * the option lifts the drop in table raw, but not the one at the end of Docker's forward rules. What overlays are for, all
 * ports, takes the gateway mode `nat-unprotected`, which lifts both (and makes the other option void).
 */
export function networkOptions(
  request: NetworkRequest,
  lease: SubnetFile,
  engine: EngineVersion,
): ReadonlyMap<string, string> {
  const options = new Map([
    [MTU, String(lease.overlayMtu)],
    [BRIDGE_NAME, request.bridge ?? DEFAULT_BRIDGE],
    [MASQUERADE, "false"],
  ]);
  if (request.isPublishedOnly) options.set(TRUSTED_INTERFACES, request.overlayDevices.join(":"));
  else if (dropsUnpublished(engine)) options.set(GATEWAY_MODE, "nat-unprotected");
  return options;
}

/** Arguments of `docker` that make the network. */
export function createArguments(
  request: NetworkRequest,
  lease: SubnetFile,
  engine: EngineVersion,
): readonly string[] {
  const subnet = lease.subnet.toString();
  return [
    ...["network", "create", "--driver", "bridge", "--subnet", subnet, "--gateway", lease.gateway.toString()],
    ...[...networkOptions(request, lease, engine)].flatMap(([key, value]) => ["-o", `${key}=${value}`]),
    ...["--label", `${SUBNET_LABEL}=${subnet}`, request.name],
  ];
}

/** The command line of this request, for the user to paste. */
export function createCommandLine(request: NetworkRequest): string {
  return [
    "twill docker-network create",
    ...(request.subnetFile === DEFAULT_SUBNET_FILE ? [] : [`--subnet-file ${shellWord(request.subnetFile)}`]),
    ...(request.bridge === null ? [] : [`--bridge ${request.bridge}`]),
    ...(request.isPublishedOnly ? ["--published-only"] : []),
    ...request.overlayDevices.map((device) => `--overlay-device ${shellWord(device)}`),
    request.name,
  ].join(" ");
}
