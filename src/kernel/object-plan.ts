/** What an audit does: from what the kernel holds to what is wanted. */
import { planFdb } from "./fdb.ts";
import type { PresentFdbEntry } from "./fdb.ts";
import type { KernelObjects, ObjectScope } from "./kernel-objects.ts";
import { planNeighbours } from "./neighbours.ts";
import type { PresentNeighbour } from "./neighbours.ts";
import { orderCommands } from "./object-commands.ts";
import type { ObjectCommands, RouteToMake } from "./object-commands.ts";
import { OWN_ROUTE_PROTOCOL, isSameRoute, isSameWay, placeOf } from "./routes.ts";
import type { Route } from "./routes.ts";

/** `RTPROT_KERNEL` of rtnetlink.h: the kernel made it with an address, and removes it with that. */
const PROTOCOL_KERNEL = 2;
/** Length of 169.254.0.0/16 (RFC 3927). */
const LINK_LOCAL_LENGTH = 16;

/** What the kernel holds of what an {@link ObjectScope} covers. */
export interface PresentObjects {
  /** Those within the network, those of ours and those of the device, each once; of one place in the kernel's order. */
  readonly routes: readonly Route[];
  readonly neighbours: readonly PresentNeighbour[];
  readonly fdb: readonly PresentFdbEntry[];
}

/** A wanted route, and the one of somebody else that has its place. */
export interface RouteConflict {
  readonly wanted: Route;
  readonly foreign: Route;
}

/** The whole repair. */
export interface ObjectPlan {
  readonly commands: ObjectCommands;
  readonly conflicts: readonly RouteConflict[];
}

/** Works out what makes the kernel hold what is wanted, leaving what is somebody else's. */
export function planObjects(wanted: KernelObjects, present: PresentObjects, scope: ObjectScope): ObjectPlan {
  const { deviceName } = scope;
  const places = groupByPlace(present.routes);
  const judged = wanted.routes.map((route) => judgeRoute(route, places.get(placeOf(route)) ?? [], scope));
  const make = judged.flatMap((one) => one.make ?? []);
  const kept = new Set(judged.flatMap(({ kept: routes }) => routes));
  const changes = {
    make,
    remove: present.routes.filter((route) => !kept.has(route) && mayGo(route, scope)),
    neighbours: deviceName === null ? [] : planNeighbours(deviceName, wanted.neighbours, present.neighbours),
    fdb: deviceName === null ? [] : planFdb(deviceName, wanted.fdb, present.fdb),
  };
  return {
    commands: orderCommands(changes, deviceName),
    conflicts: judged.flatMap((one) => one.conflict ?? []),
  };
}

function groupByPlace(routes: readonly Route[]): Map<string, Route[]> {
  const places = new Map<string, Route[]>();
  for (const route of routes) {
    const place = placeOf(route);
    const others = places.get(place);
    if (others === undefined) places.set(place, [route]);
    else others.push(route);
  }
  return places;
}

interface RouteJudgement {
  readonly make?: RouteToMake;
  readonly conflict?: RouteConflict;
  /** Routes of the place that are not to be removed: the wanted one, or the one that `replace` takes. */
  readonly kept: readonly Route[];
}

/** The kernel uses the first route of a place, and `replace` takes that one; people can put several there. */
function judgeRoute(wanted: Route, here: readonly Route[], scope: ObjectScope): RouteJudgement {
  const [first] = here;
  if (first === undefined) return { make: { verb: "add", route: wanted }, kept: [] };
  const same = here.find((route) => isSameRoute(route, wanted));
  const isTakeable = isOurs(first, scope) || isSameWay(first, wanted);
  if (!isTakeable) return { conflict: { wanted, foreign: first }, kept: same === undefined ? [] : [same] };
  if (same !== undefined) return { kept: [same] };
  return { make: { verb: "replace", route: wanted }, kept: [first] };
}

/** It carries our number, or leads into our device. */
function isOurs(route: Route, scope: ObjectScope): boolean {
  return route.protocol === OWN_ROUTE_PROTOCOL || isOfDevice(route, scope);
}

function mayGo(route: Route, scope: ObjectScope): boolean {
  if (route.interfaceName !== null && route.interfaceName === scope.deviceName)
    return isOfDevice(route, scope);
  return route.protocol === OWN_ROUTE_PROTOCOL && scope.mayRemove(route);
}

/** Somebody led it into our device, and not the kernel by an address there. */
function isOfDevice({ interfaceName, protocol, destination }: Route, { deviceName }: ObjectScope): boolean {
  const isLinkLocal = destination.address.isLinkLocal && destination.length >= LINK_LOCAL_LENGTH;
  return (
    interfaceName !== null && interfaceName === deviceName && protocol !== PROTOCOL_KERNEL && !isLinkLocal
  );
}
