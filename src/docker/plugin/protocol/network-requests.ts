/** What Docker asks of a network driver (libnetwork's docs/remote.md), checked. */
import { PLAIN_DEVICE_NAME_ADVICE, isPlainDeviceName } from "../../../net/device-name.ts";
import type { Ipv4Address, Ipv4Prefix } from "../../../net/ipv4.ts";
import { MacAddress } from "../../../net/mac.ts";
import { showUntrusted } from "../../../net/untrusted-text.ts";
import type { GatewayMode } from "../state/plugin-state.ts";
import { refused } from "./request-fields.ts";
import type { RequestFields } from "./request-fields.ts";

/** Where the map of `-o` options is among the options of a network. */
const GENERIC_OPTIONS = "com.docker.network.generic";
const ENABLE_IPV6 = "com.docker.network.enable_ipv6";
const INTERNAL = "com.docker.network.internal";
const PORT_MAP = "com.docker.network.portmap";

const GATEWAY_MODES: readonly GatewayMode[] = ["docker", "overlay"];
const KNOWN_OPTIONS = "bridge=NAME and gateway=docker or gateway=overlay";

export interface CreateNetworkRequest {
  readonly networkId: string;
  readonly subnet: Ipv4Prefix;
  /** Null: Docker leaves it to the driver. */
  readonly gateway: Ipv4Address | null;
  /** `-o bridge=NAME`; null: derived from the id. */
  readonly bridgeName: string | null;
  readonly gatewayMode: GatewayMode;
  /** `--internal`. */
  readonly isInternal: boolean;
}

/** @throws {OverlayError} `ERR_REQUEST_INVALID`; `ERR_REQUEST_REFUSED` for what twill does not do */
export function parseCreateNetwork(fields: RequestFields): CreateNetworkRequest {
  const networkId = fields.id("NetworkID");
  const options = fields.object("Options");
  if (options.flag(ENABLE_IPV6) || fields.list("IPv6Data").length > 0)
    throw refused("Cannot make the network: twill carries IPv4 between containers, leave --ipv6 out");
  const [data, ...more] = fields.objects("IPv4Data");
  const subnet = data?.prefix("Pool") ?? null;
  if (data === undefined || subnet === null || more.length > 0)
    throw refused(
      "Cannot make the network: it needs one subnet, this host's lease; give at most one --subnet",
    );
  return {
    networkId,
    subnet,
    gateway: data.interfaceAddress("Gateway"),
    ...parseDriverOptions(options.object(GENERIC_OPTIONS)),
    isInternal: options.flag(INTERNAL),
  };
}

function parseDriverOptions(
  options: RequestFields,
): Pick<CreateNetworkRequest, "bridgeName" | "gatewayMode"> {
  const unknown = options.names.find((name) => name !== "bridge" && name !== "gateway");
  if (unknown !== undefined) {
    const hint = unknown.endsWith(".mtu") ? ", and the MTU is the lease's" : "";
    throw refused(
      `Cannot make the network: option ${showUntrusted(unknown)} is unknown, known are ${KNOWN_OPTIONS}${hint}`,
    );
  }
  const bridgeName = options.text("bridge");
  if (bridgeName !== "" && !isPlainDeviceName(bridgeName)) {
    throw refused(
      `Cannot make the network: bridge=${showUntrusted(bridgeName)} is no name for a device, ${PLAIN_DEVICE_NAME_ADVICE}`,
    );
  }
  const modeText = options.text("gateway");
  const gatewayMode = modeText === "" ? "docker" : GATEWAY_MODES.find((mode) => mode === modeText);
  if (gatewayMode === undefined) {
    throw refused(
      `Cannot make the network: gateway=${showUntrusted(modeText)} is unknown, use gateway=docker or gateway=overlay`,
    );
  }
  return { bridgeName: bridgeName === "" ? null : bridgeName, gatewayMode };
}

/** Names a network. */
export interface NetworkRequest {
  readonly networkId: string;
}

/** @throws {OverlayError} `ERR_REQUEST_INVALID` */
export function parseNetwork(fields: RequestFields): NetworkRequest {
  return { networkId: fields.id("NetworkID") };
}

/** Names an endpoint: one container's place in one network. */
export interface EndpointRequest extends NetworkRequest {
  readonly endpointId: string;
}

/** @throws {OverlayError} `ERR_REQUEST_INVALID` */
export function parseEndpoint(fields: RequestFields): EndpointRequest {
  return { ...parseNetwork(fields), endpointId: fields.id("EndpointID") };
}

/** An endpoint and the ports that the container publishes. */
export interface PublishRequest extends EndpointRequest {
  readonly publishesPorts: boolean;
}

/** @throws {OverlayError} `ERR_REQUEST_INVALID` */
export function parsePublish(fields: RequestFields): PublishRequest {
  const publishesPorts = fields.object("Options").list(PORT_MAP).length > 0;
  return { ...parseEndpoint(fields), publishesPorts };
}

export interface CreateEndpointRequest extends PublishRequest {
  /** What the IPAM driver gave, or `--ip`. */
  readonly address: Ipv4Address;
  /** `--mac-address`; null: the driver chooses. */
  readonly mac: MacAddress | null;
}

/** @throws {OverlayError} `ERR_REQUEST_INVALID`; `ERR_REQUEST_REFUSED` for what twill does not do */
export function parseCreateEndpoint(fields: RequestFields): CreateEndpointRequest {
  const device = fields.object("Interface");
  if (device.text("AddressIPv6") !== "")
    throw refused("Cannot connect the container: twill carries IPv4 between containers, leave --ip6 out");
  const address = device.interfaceAddress("Address");
  if (address === null)
    throw refused("Cannot connect the container: Docker gave it no address, twill needs an IPAM driver");
  return { ...parsePublish(fields), address, mac: parseMac(device.text("MacAddress")) };
}

function parseMac(text: string): MacAddress | null {
  if (text === "") return null;
  const mac = MacAddress.parse(text);
  if (mac !== null && !mac.isMulticast) return mac;
  throw refused(`Cannot connect the container: ${showUntrusted(text)} is no MAC address of a device`);
}
