/** IPv4 routes of the main table: what is there, and the commands that make it as it should be. */
import { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import { OverlayError } from "../net/overlay-error.ts";
import type { BatchCommand } from "./ip-batch.ts";
import type { IpCommand } from "./ip-command.ts";
import { numberOf, recordsOf, textOf } from "./json-fields.ts";
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
  /** Smaller wins. */
  readonly metric: number;
  /** Who made it (`rtm_protocol`). */
  readonly protocol: number;
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
        metric: numberOf(record, "metric") ?? 0,
        protocol: Number(textOf(record, "protocol") ?? unsaidProtocol),
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

function isSamePlace(a: Route, b: Route): boolean {
  return a.destination.equals(b.destination) && a.metric === b.metric;
}

function isSameRoute(a: Route, b: Route): boolean {
  const isSameWay = a.kind === b.kind && wayOf(a).join(" ") === wayOf(b).join(" ");
  return isSameWay && isSamePlace(a, b) && a.protocol === b.protocol;
}

function routeCommand(verb: "replace" | "del", route: Route): BatchCommand {
  const type = route.kind === "other" ? [] : [route.kind];
  // Without a gateway `ip` would make scope link; flannel's overlay route has scope global.
  const scope = verb === "replace" && route.kind === "unicast" ? ["scope", "global"] : [];
  const marks = ["proto", `${route.protocol}`, "metric", `${route.metric}`];
  return ["route", verb, ...type, route.destination.toString(), ...wayOf(route), ...scope, ...marks];
}

function wayOf(route: Route): string[] {
  if (route.kind !== "unicast" || route.interfaceName === null) return [];
  const via = route.gateway === null ? [] : ["via", route.gateway.toString()];
  return [...via, "dev", route.interfaceName];
}
