/** IPv4 routes of the main table: what is there, and the commands that make it as it should be. */
import { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import { OverlayError } from "../net/overlay-error.ts";
import type { BatchCommand } from "./ip-batch.ts";
import type { IpCommand } from "./ip-command.ts";
import { listHas, numberOf, recordsOf, textOf } from "./json-fields.ts";
import type { JsonRecord } from "./json-fields.ts";

/**
 * Number in the protocol field of every route we make, and of no other: what carries it is ours to change
 * and to remove. Free in /etc/iproute2/rt_protos and in the kernel's rtnetlink.h; "T" in ASCII.
 */
export const OWN_ROUTE_PROTOCOL = 84;
/** `RTPROT_BOOT` of rtnetlink.h: a route made by hand, or by flannel. `ip` leaves it out. */
const PROTOCOL_BOOT = 3;
/**
 * Metric of our blackhole routes: any route of a person or a routing daemon wins. The figure is the one of
 * the kernel's VRF documentation for such a last route; FRR reads it as distance 255 (never used), 8192.
 */
export const BLACKHOLE_METRIC = 4278198272;

/** A route that we make or may replace. */
export interface Route {
  readonly destination: Ipv4Prefix;
  /** `blackhole` drops what it matches. `other`: a kind that we never make (`prohibit`, `throw`, ...). */
  readonly kind: "unicast" | "blackhole" | "other";
  /** Null for a blackhole, and for a route of several next hops. */
  readonly interfaceName: string | null;
  /** Null when the destination is reached directly. */
  readonly gateway: Ipv4Address | null;
  /** The gateway is taken to be on the device's link, whatever its addresses say. */
  readonly isOnlink: boolean;
  /** Smaller wins. */
  readonly metric: number;
  /** Who made it (`rtm_protocol`). */
  readonly protocol: number;
  /** The one type of service that it is for, as `ip -N` writes it. Ours are for all. */
  readonly tos?: string;
  /** It says more than we know (a source, an MTU, several next hops), so it is never the same as one of ours. */
  readonly hasExtras?: true;
}

/** Members of a route that ours never have. */
const EXTRAS = ["prefsrc", "metrics", "nexthops", "nhid", "encap", "via"] as const;

/** What our routes have in common. */
const OWN_ROUTE = {
  kind: "unicast",
  interfaceName: null,
  gateway: null,
  isOnlink: false,
  metric: 0,
  protocol: OWN_ROUTE_PROTOCOL,
} as const satisfies Partial<Route>;

/** Packets for the overlay that have no other way are dropped, and never leave in clear by the default route. */
export function blackholeRoute(network: Ipv4Prefix): Route {
  return { ...OWN_ROUTE, destination: network, kind: "blackhole", metric: BLACKHOLE_METRIC };
}

/** The whole overlay by one device. */
export function deviceRoute(network: Ipv4Prefix, deviceName: string): Route {
  return { ...OWN_ROUTE, destination: network, interfaceName: deviceName };
}

/** A peer's subnet by its underlay address, as flannel's host-gw has it. */
export function gatewayRoute(subnet: Ipv4Prefix, gateway: Ipv4Address, interfaceName: string): Route {
  return { ...OWN_ROUTE, destination: subnet, gateway, interfaceName };
}

/** A peer's subnet by its first address on a vxlan device, as flannel's vxlan has it. */
export function onlinkRoute(subnet: Ipv4Prefix, deviceName: string): Route {
  return { ...gatewayRoute(subnet, subnet.address, deviceName), isOnlink: true };
}

/** Which way packets leave that nothing more specific matches. */
export interface DefaultRoute {
  /** Null when `isMultipath`. */
  readonly interfaceName: string | null;
  readonly gateway: Ipv4Address | null;
  readonly metric: number;
  /** It names several next hops, so none of them is the one. */
  readonly isMultipath: boolean;
}

/** Routes of the main table that carry our protocol number. The kernel filters: cost is one for each of ours. */
export async function readOwnRoutes(ip: IpCommand, signal: AbortSignal): Promise<Route[]> {
  const json = await ip.read(["-N", "-4", "route", "show", "proto", `${OWN_ROUTE_PROTOCOL}`], signal);
  return parseRoutes(json, OWN_ROUTE_PROTOCOL); // `ip` does not print what it was told to filter by
}

/** Routes of the main table to destinations within the network, whoever made them, in the kernel's order. */
export async function readRoutesWithin(
  ip: IpCommand,
  network: Ipv4Prefix,
  signal: AbortSignal,
): Promise<Route[]> {
  return parseRoutes(await ip.read(["-N", "-4", "route", "show", "root", network.toString()], signal));
}

/** Routes of the main table that lead into the device, whoever made them. */
export async function readDeviceRoutes(
  ip: IpCommand,
  deviceName: string,
  signal: AbortSignal,
): Promise<Route[]> {
  const routes = parseRoutes(await ip.read(["-N", "-4", "route", "show", "dev", deviceName], signal));
  return routes.map((route) => ({ ...route, interfaceName: deviceName })); // not printed, as the protocol above
}

/** Routes of the main table to exactly this destination, whoever made them. */
export async function readRoutesTo(
  ip: IpCommand,
  destination: Ipv4Prefix,
  signal: AbortSignal,
): Promise<Route[]> {
  return parseRoutes(await ip.read(["-N", "-4", "route", "show", "exact", destination.toString()], signal));
}

/** Default routes of the main table, best (lowest metric) first; without `unreachable` and the like. */
export async function readDefaultRoutes(ip: IpCommand, signal: AbortSignal): Promise<DefaultRoute[]> {
  return parseDefaultRoutes(await ip.read(["-N", "-4", "route", "show", "default"], signal));
}

/**
 * Asks the kernel which way a packet to `address` would leave: device, and the source it would get.
 * @throws {OverlayError} `ERR_KERNEL_FAILED` with the kernel's text when there is no way
 */
export async function routeTo(
  ip: IpCommand,
  address: Ipv4Address,
  signal: AbortSignal,
): Promise<{ interfaceName: string; source: Ipv4Address }> {
  const [record] = recordsOf(await ip.read(["-4", "route", "get", address.toString()], signal));
  const interfaceName = record === undefined ? null : textOf(record, "dev");
  const source = record === undefined ? null : Ipv4Address.parse(textOf(record, "prefsrc") ?? "");
  if (interfaceName === null || source === null) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot find the way to ${address.toString()}: the kernel's route names no device or no source address`,
    );
  }
  return { interfaceName, source };
}

/**
 * Reads the output of `ip -j -N -4 route show`.
 * @param unsaidProtocol what a route has that is printed without a protocol
 */
export function parseRoutes(json: unknown, unsaidProtocol = PROTOCOL_BOOT): Route[] {
  return recordsOf(json).flatMap((record) => {
    const destination = parseDestination(textOf(record, "dst"));
    if (destination === null) return [];
    return [
      {
        destination,
        kind: kindOf(record),
        interfaceName: textOf(record, "dev"),
        gateway: Ipv4Address.parse(textOf(record, "gateway") ?? ""),
        isOnlink: listHas(record, "flags", "onlink"),
        metric: numberOf(record, "metric") ?? 0,
        protocol: Number(textOf(record, "protocol") ?? unsaidProtocol),
        ...(typeof record.tos === "string" ? { tos: record.tos } : {}),
        ...(EXTRAS.some((member) => record[member] !== undefined) ? { hasExtras: true } : {}),
      },
    ];
  });
}

/** Reads the output of `ip -j -N -4 route show default`. */
export function parseDefaultRoutes(json: unknown): DefaultRoute[] {
  return recordsOf(json)
    .filter((record) => textOf(record, "dst") === "default" && kindOf(record) === "unicast")
    .map((record) => ({
      interfaceName: textOf(record, "dev"),
      gateway: Ipv4Address.parse(textOf(record, "gateway") ?? ""),
      metric: numberOf(record, "metric") ?? 0,
      isMultipath: recordsOf(record.nexthops).length > 0,
    }))
    .sort((a, b) => a.metric - b.metric);
}

/** `default`, `a.b.c.d/len`, or a host address without its /32. */
function parseDestination(text: string | null): Ipv4Prefix | null {
  if (text === null) return null;
  if (text === "default") return new Ipv4Prefix(new Ipv4Address(0), 0);
  return Ipv4Prefix.parse(text.includes("/") ? text : `${text}/32`);
}

function kindOf(record: JsonRecord): Route["kind"] {
  const type = textOf(record, "type") ?? "unicast";
  if (type === "unicast") return "unicast";
  return type === "blackhole" || type === "6" ? "blackhole" : "other"; // -N writes RTN_BLACKHOLE as 6
}

/**
 * Commands that make every wanted route: what is missing or differs is replaced, then those of `present` go
 * that are not wanted and that `mayRemove` allows. The kernel takes two routes of one destination and metric
 * for the same one, and `replace` works on that.
 */
export function planRoutes(
  wanted: readonly Route[],
  present: readonly Route[],
  mayRemove: (route: Route) => boolean,
): BatchCommand[] {
  const missing = wanted.filter((route) => !present.some((other) => isSameRoute(route, other)));
  const surplus = present.filter((route) => !wanted.some((other) => isSamePlace(route, other)));
  return [
    ...missing.map((route) => routeCommand("replace", route)),
    ...surplus.filter(mayRemove).map((route) => routeCommand("del", route)),
  ];
}

/** The kernel takes two routes with the same text here for the same one: `add` refuses the second. */
export function placeOf({ destination, metric, tos = "" }: Route): string {
  return `${destination.toString()} ${metric} ${tos}`;
}

function isSamePlace(a: Route, b: Route): boolean {
  return a.destination.equals(b.destination) && a.metric === b.metric && a.tos === b.tos;
}

/** True when they take packets the same way, whoever made them. */
export function isSameWay(a: Route, b: Route): boolean {
  if (a.hasExtras === true || b.hasExtras === true) return false;
  const isSameHop = a.interfaceName === b.interfaceName && a.gateway?.value === b.gateway?.value;
  return isSameHop && a.kind === b.kind && a.isOnlink === b.isOnlink;
}

/** True when neither the kernel nor the owner would tell one from the other. */
export function isSameRoute(a: Route, b: Route): boolean {
  return isSamePlace(a, b) && isSameWay(a, b) && a.protocol === b.protocol;
}

/** One change of one route: `add` fails where another route has the place, `replace` takes it, `del` names it exactly. */
export function routeCommand(verb: "add" | "replace" | "del", route: Route): BatchCommand {
  const type = route.kind === "other" ? [] : [route.kind];
  // Without a gateway `ip` would make scope link; flannel's overlay route has scope global.
  const scope = verb !== "del" && route.kind === "unicast" ? ["scope", "global"] : [];
  const marks = ["proto", `${route.protocol}`, "metric", `${route.metric}`];
  const tos = route.tos === undefined ? [] : ["tos", route.tos];
  return ["route", verb, ...type, route.destination.toString(), ...tos, ...wayOf(route), ...scope, ...marks];
}

function wayOf(route: Route): string[] {
  if (route.kind !== "unicast" || route.interfaceName === null) return [];
  const via = route.gateway === null ? [] : ["via", route.gateway.toString()];
  return [...via, "dev", route.interfaceName, ...(route.isOnlink ? ["onlink"] : [])];
}
