/**
 * The TUN of a tunnel with its address and routes, as flannel makes them, and one route more:
 *
 *   flannel0: mtu OVERLAY_MTU, up, address 10.244.7.0/32 (the first of the own subnet)
 *   10.244.0.0/16 dev flannel0 scope global
 *   blackhole 10.244.0.0/16 metric 4278198272
 *
 * The blackhole takes over when the device is deleted or set down, and with it the first route: without it
 * packets for the overlay would then leave in clear by the default route.
 */
import { parseAddresses, planAddresses } from "../../kernel/addresses.ts";
import type { InterfaceAddress } from "../../kernel/addresses.ts";
import type { BatchCommand } from "../../kernel/ip-batch.ts";
import type { IpCommand } from "../../kernel/ip-command.ts";
import { isRecord, recordsOf } from "../../kernel/json-fields.ts";
import { parseLinks, planLink, readDeviceJson } from "../../kernel/links.ts";
import type { Link } from "../../kernel/links.ts";
import {
  OWN_ROUTE_PROTOCOL,
  blackholeRoute,
  deviceRoute,
  planRoutes,
  readOwnRoutes,
} from "../../kernel/routes.ts";
import type { Route } from "../../kernel/routes.ts";
import type { Ipv4Address, Ipv4Prefix } from "../../net/ipv4.ts";

/** What must exist. */
export interface WantedDevice {
  readonly deviceName: string;
  readonly network: Ipv4Prefix;
  /** The device has it with a /32: source of what the host itself sends to the overlay. */
  readonly address: Ipv4Address;
  readonly overlayMtu: number;
}

/** What the kernel holds of it. */
export interface PresentDevice {
  /** The device of that name, whatever its kind. */
  readonly link: Link | null;
  /** For how many queues it was made, which it keeps as long as it lives; null when there is none, or it is no TUN. */
  readonly queueKind: "one" | "several" | null;
  readonly addresses: readonly InterfaceAddress[];
  /** Every route of ours in the main table, also those that are not this tunnel's. */
  readonly ownRoutes: readonly Route[];
}

/** One look at the kernel: two processes at once, whose cost does not grow with the host's other devices. */
export async function readDevice(
  ip: IpCommand,
  deviceName: string,
  signal: AbortSignal,
): Promise<PresentDevice> {
  const [json, ownRoutes] = await Promise.all([
    readDeviceJson(ip, deviceName, signal),
    readOwnRoutes(ip, signal),
  ]);
  return {
    link: parseLinks(json)[0] ?? null,
    queueKind: parseQueueKind(json),
    addresses: parseAddresses(json),
    ownRoutes,
  };
}

/** Reads what `ip -j -d address show dev`, or `ip -j -d link show dev`, prints of one device. */
export function parseQueueKind(json: unknown): PresentDevice["queueKind"] {
  const { linkinfo } = recordsOf(json)[0] ?? {};
  const data = isRecord(linkinfo) ? linkinfo.info_data : null;
  if (!isRecord(data) || data.type !== "tun") return null;
  return data.multi_queue === true ? "several" : "one";
}

/** Commands that turn `present`, which has the device, into `wanted`. None when it is already so. */
export function planDevice(wanted: WantedDevice, link: Link, present: PresentDevice): BatchCommand[] {
  const { deviceName, network, address, overlayMtu } = wanted;
  const former = formerNetworks(wanted, present.ownRoutes);
  const isFormer = (route: Route): boolean =>
    former.some((other) => other.equals(route.destination)) &&
    (route.interfaceName === deviceName || route.kind === "blackhole");
  return [
    ...planBlackhole(network, present),
    ...planAddresses(deviceName, { address, prefixLength: 32 }, present.addresses, (other) =>
      [network, ...former].some((prefix) => prefix.contains(other)),
    ),
    ...planLink({ mtu: overlayMtu }, link),
    ...planRoutes([deviceRoute(network, deviceName)], present.ownRoutes, isFormer),
  ];
}

/**
 * Commands that delete a vxlan device in the place of ours, which flannel or our kernel data path left, with its
 * routes. The blackhole comes first: it holds the packets until the route into the new device is there.
 */
export function planGivingWay(wanted: WantedDevice, present: PresentDevice): BatchCommand[] {
  if (present.link?.kind !== "vxlan") return [];
  return [...planBlackhole(wanted.network, present), ["link", "del", "dev", present.link.name]];
}

/**
 * Commands that remove what is there now and was not there before: for a start that failed. When the device that was
 * there before is not, the routes into it went with it: then a new blackhole stays in their place.
 */
export function planUndo(before: PresentDevice, present: PresentDevice): BatchCommand[] {
  const hasLostDevice = before.link !== null && before.link.index !== present.link?.index;
  const routesBefore = new Set(before.ownRoutes.map((route) => JSON.stringify(route)));
  const isUndone = (route: Route): boolean =>
    !(hasLostDevice && route.kind === "blackhole") && !routesBefore.has(JSON.stringify(route));
  return [
    ...planRoutes([], present.ownRoutes, isUndone),
    ...(before.link === null && present.link !== null ? [["link", "del", "dev", present.link.name]] : []),
  ];
}

/** Of all routes to the overlay network, the one that has the place of ours and is not ours to replace. */
export function findForeignRoute(routesToNetwork: readonly Route[], deviceName: string): Route | null {
  const isForeign = (route: Route): boolean =>
    route.metric === 0 && route.interfaceName !== deviceName && route.protocol !== OWN_ROUTE_PROTOCOL;
  return routesToNetwork.find(isForeign) ?? null;
}

function planBlackhole(network: Ipv4Prefix, { ownRoutes }: PresentDevice): BatchCommand[] {
  return planRoutes([blackholeRoute(network)], ownRoutes, () => false);
}

/** Networks of an earlier configuration: our route to them still leads into the device. */
function formerNetworks({ deviceName, network }: WantedDevice, ownRoutes: readonly Route[]): Ipv4Prefix[] {
  return ownRoutes
    .filter((route) => route.interfaceName === deviceName && !route.destination.equals(network))
    .map((route) => route.destination);
}
