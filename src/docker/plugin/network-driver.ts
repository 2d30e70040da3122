/** The network driver's decisions: from a request and the state to the next state and the answer. Pure. */
import { MacAddress } from "../../net/mac.ts";
import type { Ipv4Address } from "../../net/ipv4.ts";
import { containerDevice, defaultBridgeName } from "./links/device-names.ts";
import type {
  CreateEndpointRequest,
  CreateNetworkRequest,
  EndpointRequest,
  NetworkRequest,
  PublishRequest,
} from "./protocol/network-requests.ts";
import { refused } from "./protocol/request-fields.ts";
import { createCommand, movedError, recreateAdvice, secondNetworkError } from "./refusals.ts";
import type { Circumstances, Outcome } from "./refusals.ts";
import { releaseAll } from "./state/addresses.ts";
import { hasMoved, requireLease } from "./state/host-lease.ts";
import type { Endpoint, Network, PluginState } from "./state/plugin-state.ts";
import { shortId } from "../short-id.ts";
import { networkOn, poolIdOf, withEntry, withoutEntry } from "./state/plugin-state.ts";

/** Start of the addresses that Docker gives to devices too: locally administered, then the IPv4 address. */
const MAC_START = 0x0242 * 2 ** 32;
/** What containers see their device as: eth0, eth1. */
const CONTAINER_DEVICE_PREFIX = "eth";
/** Route type "by a next hop" of libnetwork; the other one is "on the link". */
const NEXT_HOP_ROUTE = 0;

/**
 * The network in the state. The same request again is granted again: Docker repeats one whose answer was lost.
 * @throws {OverlayError} `ERR_REQUEST_REFUSED`, `ERR_LEASE_MISSING`, `ERR_FILE_FAILED`
 */
export function createNetwork(circumstances: Circumstances, request: CreateNetworkRequest): Network {
  const { state, view, driverName } = circumstances;
  const lease = requireLease(view);
  const { networkId, subnet, gateway, gatewayMode, isInternal } = request;
  if (!subnet.equals(lease.subnet)) {
    throw refused(
      `Cannot make the network: its subnet ${subnet.toString()} is not this host's lease ${lease.subnet.toString()}; use: ${createCommand(driverName)}`,
    );
  }
  if (gateway !== null && !gateway.equals(lease.gateway)) {
    throw refused(
      `Cannot make the network: its gateway ${gateway.toString()} is not that of the lease, ${lease.gateway.toString()}; leave --gateway out`,
    );
  }
  const other = networkOn(state, lease.subnet);
  if (other !== null && other.id !== networkId) throw secondNetworkError(other);
  const bridgeName = request.bridgeName ?? defaultBridgeName(networkId);
  return { id: networkId, lease, bridgeName, gatewayMode, isInternal };
}

/**
 * The state without a network and all that is in it; one that is unknown is gone already. Its addresses are free then:
 * some versions of Docker release the pool before the network, and others after it.
 */
export function deleteNetwork(state: PluginState, { networkId }: NetworkRequest): PluginState {
  const network = state.networks.get(networkId);
  if (network === undefined) return state;
  const endpoints = new Map([...state.endpoints].filter(([, one]) => one.networkId !== networkId));
  const without = { ...state, endpoints, networks: withoutEntry(state.networks, networkId) };
  const pool = without.pools.get(poolIdOf(network.lease.subnet));
  return pool === undefined ? without : releaseAll(without, pool);
}

/** @throws {OverlayError} `ERR_REQUEST_REFUSED` */
export function createEndpoint(circumstances: Circumstances, request: CreateEndpointRequest): Outcome {
  const { state } = circumstances;
  const network = servedNetwork(circumstances, request);
  refusePublishing(network, request);
  const endpoint: Endpoint = {
    id: request.endpointId,
    networkId: network.id,
    address: request.address,
    mac: request.mac ?? macOf(request.address),
  };
  refuseTaken(state, network, endpoint);
  // Docker takes it ill when it is told what it has said itself.
  const answer =
    request.mac === null ? { Interface: { MacAddress: endpoint.mac.toString() } } : { Interface: {} };
  const known = state.endpoints.get(endpoint.id);
  if (known !== undefined && isSameEndpoint(known, endpoint)) return { state, answer };
  return { state: { ...state, endpoints: withEntry(state.endpoints, endpoint.id, endpoint) }, answer };
}

/** The last fence against an address on two containers, whoever chose it. */
function refuseTaken(state: PluginState, { lease }: Network, endpoint: Endpoint): void {
  const { address } = endpoint;
  const isContainers =
    lease.subnet.contains(address) &&
    ![lease.subnet.address, lease.subnet.last, lease.gateway].some((one) => one.equals(address));
  if (!isContainers)
    throw refused(
      `Cannot connect the container: ${address.toString()} is no address for a container of ${lease.subnet.toString()}; choose another one, or leave --ip out`,
    );
  const holder = [...state.endpoints.values()].find(
    (one) => one.address.equals(address) && one.id !== endpoint.id,
  );
  if (holder !== undefined)
    throw refused(
      `Cannot connect the container: ${address.toString()} is that of endpoint ${shortId(holder.id)}; choose another one, or leave --ip out`,
    );
}

function isSameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.networkId === b.networkId && a.address.equals(b.address) && a.mac.equals(b.mac);
}

/** One for each address: whoever has the address next answers to the MAC that neighbours remember. */
function macOf({ value }: Ipv4Address): MacAddress {
  return new MacAddress(MAC_START + value);
}

/** MAC of a network's bridge: the same when the bridge is made again, so containers need not learn it anew. */
export function bridgeMac({ lease }: Network): MacAddress {
  return macOf(lease.gateway);
}

/** The state without this endpoint; one that is unknown is gone already. */
export function deleteEndpoint(state: PluginState, { endpointId }: EndpointRequest): PluginState {
  if (!state.endpoints.has(endpointId)) return state;
  return { ...state, endpoints: withoutEntry(state.endpoints, endpointId) };
}

/** What a container needs to be connected. */
export interface Joining {
  readonly network: Network;
  readonly endpoint: Endpoint;
  readonly answer: Outcome["answer"];
}

/** @throws {OverlayError} `ERR_REQUEST_REFUSED` */
export function join(circumstances: Circumstances, request: EndpointRequest): Joining {
  const network = servedNetwork(circumstances, request);
  const endpoint = circumstances.state.endpoints.get(request.endpointId);
  if (endpoint?.networkId !== network.id) {
    throw refused(
      `Cannot connect the container: endpoint ${shortId(request.endpointId)} of network ${shortId(network.id)} is unknown; start the container again`,
    );
  }
  const InterfaceName = { SrcName: containerDevice(endpoint.id), DstPrefix: CONTAINER_DEVICE_PREFIX };
  return { network, endpoint, answer: { InterfaceName, ...routesOf(network) } };
}

/**
 * Without a gateway of ours Docker adds one, docker_gwbridge, with the default route, published ports and masquerading;
 * the overlay is then one route beside it.
 */
function routesOf({ lease, gatewayMode, isInternal }: Network): Outcome["answer"] {
  if (gatewayMode === "overlay" && !isInternal) return { Gateway: lease.gateway.toString() };
  const route = {
    Destination: lease.network.toString(),
    RouteType: NEXT_HOP_ROUTE,
    NextHop: lease.gateway.toString(),
  };
  return { StaticRoutes: [route] };
}

/** @throws {OverlayError} `ERR_REQUEST_REFUSED` when Docker would leave published ports to us */
export function programExternalConnectivity(state: PluginState, request: PublishRequest): void {
  const network = state.networks.get(request.networkId);
  if (network !== undefined) refusePublishing(network, request);
}

function refusePublishing(network: Network, { publishesPorts }: PublishRequest): void {
  if (!publishesPorts || network.gatewayMode !== "overlay") return;
  throw refused(
    `Cannot publish ports on network ${shortId(network.id)}: it was made with gateway=overlay, where nobody does that; leave -p out, or make the network with gateway=docker`,
  );
}

/** A known network on the host's lease. */
function servedNetwork(circumstances: Circumstances, { networkId }: NetworkRequest): Network {
  const { state, view, driverName } = circumstances;
  const network = state.networks.get(networkId);
  if (network === undefined) {
    throw refused(
      `Cannot connect the container: network ${shortId(networkId)} is unknown to twill, whose state was lost; ${recreateAdvice(driverName, networkId)}`,
    );
  }
  if (hasMoved(view, network)) throw movedError(circumstances, network);
  return network;
}
