/**
 * The TUN of the udp backend with its address and routes, as flannel makes them, and one route more:
 *
 *   flannel0: mtu UNDERLAY_MTU - 28, up, address 10.244.7.0/32 (the first of the own subnet)
 *   10.244.0.0/16 dev flannel0 scope global
 *   blackhole 10.244.0.0/16 metric 4278198272
 *
 * The blackhole takes over when the device is deleted or set down, and with it the first route: without it
 * packets for the overlay would then leave in clear by the default route.
 */
import { isDeepStrictEqual } from "node:util";
import { parseAddresses, planAddresses } from "../../kernel/addresses.ts";
import type { InterfaceAddress } from "../../kernel/addresses.ts";
import type { BatchCommand } from "../../kernel/ip-batch.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { isRecord, recordsOf, textOf } from "../../kernel/json-fields.ts";
import { parseLinks, planLink } from "../../kernel/links.ts";
import type { Link } from "../../kernel/links.ts";
import { BLACKHOLE_METRIC, OWN_ROUTE_PROTOCOL, planRoutes, readOwnRoutes } from "../../kernel/routes.ts";
import type { Route } from "../../kernel/routes.ts";
import type { Ipv4Address, Ipv4Prefix } from "../../net/ipv4.ts";

/** flannel's name for it, which scripts and firewall rules of its users know. */
export const DEVICE_NAME = "flannel0";

/** What must exist. */
export interface WantedDevice {
  readonly network: Ipv4Prefix;
  /** The device has it with a /32: source of what the host itself sends to the overlay. */
  readonly address: Ipv4Address;
  readonly overlayMtu: number;
}

/** What the kernel holds of it. */
export interface PresentDevice {
  readonly link: Link | null;
  /** For how many queues it was made, which it keeps as long as it lives; null when there is none, or it is a TAP. */
  readonly queueKind: "one" | "several" | null;
  readonly addresses: readonly InterfaceAddress[];
  /** Every route of ours in the main table, also those that are not the udp backend's. */
  readonly ownRoutes: readonly Route[];
}

/** One look at the kernel: two processes at once, whose cost does not grow with the host's other devices. */
export async function readDevice(ip: IpCommand, signal: AbortSignal): Promise<PresentDevice> {
  const [json, ownRoutes] = await Promise.all([
    ip.read(["-d", "address", "show", "type", "tun"], signal),
    readOwnRoutes(ip, signal),
  ]);
  return {
    link: parseLinks(json).find((link) => link.name === DEVICE_NAME) ?? null,
    queueKind: parseQueueKind(json),
    addresses: parseAddresses(json).filter((one) => one.interfaceName === DEVICE_NAME),
    ownRoutes,
  };
}

/** Reads the output of `ip -j -d address show type tun`, or of `ip -j -d link show`. */
export function parseQueueKind(json: unknown): PresentDevice["queueKind"] {
  const { linkinfo } = recordsOf(json).find((record) => textOf(record, "ifname") === DEVICE_NAME) ?? {};
  const data = isRecord(linkinfo) ? linkinfo.info_data : null;
  if (!isRecord(data) || data.type !== "tun") return null;
  return data.multi_queue === true ? "several" : "one";
}

/** Commands that turn `present`, which has the device, into `wanted`. None when it is already so. */
export function planDevice(wanted: WantedDevice, link: Link, present: PresentDevice): BatchCommand[] {
  const { network, address, overlayMtu } = wanted;
  const former = formerNetworks(network, present.ownRoutes);
  const isFormer = (route: Route): boolean =>
    former.some((other) => other.equals(route.destination)) &&
    (route.interfaceName === DEVICE_NAME || route.kind === "blackhole");
  return [
    ...planRoutes([blackholeRoute(network)], present.ownRoutes, () => false),
    ...planAddresses(DEVICE_NAME, { address, prefixLength: 32 }, present.addresses, (other) =>
      [network, ...former].some((prefix) => prefix.contains(other)),
    ),
    ...planLink({ mtu: overlayMtu }, link),
    ...planRoutes([overlayRoute(network)], present.ownRoutes, isFormer),
  ];
}

/**
 * Commands that remove what is there now and was not there before: for a start that failed. When the device that was
 * there before is not, the route into it went with it: then a new blackhole stays in its place.
 */
export function planUndo(before: PresentDevice, present: PresentDevice): BatchCommand[] {
  const hasLostDevice = before.link !== null && before.link.index !== present.link?.index;
  const isUndone = (route: Route): boolean =>
    !(hasLostDevice && route.kind === "blackhole") &&
    !before.ownRoutes.some((other) => isDeepStrictEqual(other, route));
  return [
    ...planRoutes([], present.ownRoutes, isUndone),
    ...(before.link === null && present.link !== null ? [["link", "del", "dev", DEVICE_NAME]] : []),
  ];
}

/** Of all routes to the overlay network, the one that has the place of ours and is not ours to replace. */
export function findForeignRoute(routesToNetwork: readonly Route[]): Route | null {
  const isForeign = (route: Route): boolean =>
    route.metric === 0 && route.interfaceName !== DEVICE_NAME && route.protocol !== OWN_ROUTE_PROTOCOL;
  return routesToNetwork.find(isForeign) ?? null;
}

/** Networks of an earlier configuration: our route to them still leads into the device. */
function formerNetworks(network: Ipv4Prefix, ownRoutes: readonly Route[]): Ipv4Prefix[] {
  return ownRoutes
    .filter((route) => route.interfaceName === DEVICE_NAME && !route.destination.equals(network))
    .map((route) => route.destination);
}

function overlayRoute(network: Ipv4Prefix): Route {
  return {
    destination: network,
    kind: "unicast",
    interfaceName: DEVICE_NAME,
    gateway: null,
    metric: 0,
    protocol: OWN_ROUTE_PROTOCOL,
  };
}

function blackholeRoute(network: Ipv4Prefix): Route {
  return {
    destination: network,
    kind: "blackhole",
    interfaceName: null,
    gateway: null,
    metric: BLACKHOLE_METRIC,
    protocol: OWN_ROUTE_PROTOCOL,
  };
}
