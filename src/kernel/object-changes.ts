/** What a `sync` does: from what was wanted to what is wanted, without a look at the kernel. */
import { planFdb } from "./fdb.ts";
import type { BatchCommand } from "./ip-batch.ts";
import type { KernelObjects } from "./kernel-objects.ts";
import { planNeighbours } from "./neighbours.ts";
import { orderCommands } from "./object-commands.ts";
import type { ObjectChanges, ObjectCommands } from "./object-commands.ts";
import { isSameRoute, placeOf } from "./routes.ts";

/**
 * Commands that turn what was wanted into what is.
 * @param isHeld false for a place (of {@link placeOf}) that a foreign route has, so that ours is not in it
 */
export function planChanges(
  old: KernelObjects,
  wanted: KernelObjects,
  deviceName: string | null,
  isHeld: (place: string) => boolean,
): ObjectCommands {
  const onDevice = (plan: (name: string) => BatchCommand[]): BatchCommand[] =>
    deviceName === null ? [] : plan(deviceName);
  return orderCommands(
    {
      ...changeRoutes(old.routes, wanted.routes, isHeld),
      neighbours: onDevice((name) => planNeighbours(name, wanted.neighbours, old.neighbours.map(asMade))),
      fdb: onDevice((name) => planFdb(name, wanted.fdb, old.fdb.map(asMade))),
    },
    deviceName,
  );
}

/** What was wanted, as the kernel would show it. */
function asMade<T>(entry: T): T & { readonly isPermanent: true; readonly hasExtras: false } {
  return { ...entry, isPermanent: true, hasExtras: false };
}

function changeRoutes(
  old: KernelObjects["routes"],
  wanted: KernelObjects["routes"],
  isHeld: (place: string) => boolean,
): Pick<ObjectChanges, "make" | "remove"> {
  const oldByPlace = new Map(old.map((route) => [placeOf(route), route]));
  const wantedPlaces = new Set<string>();
  const make = wanted.flatMap((route) => {
    const place = placeOf(route);
    wantedPlaces.add(place);
    const former = oldByPlace.get(place);
    if (former !== undefined && isSameRoute(former, route)) return [];
    const isOurs = former !== undefined && isHeld(place);
    return [{ verb: isOurs ? ("replace" as const) : ("add" as const), route }];
  });
  const remove = [...oldByPlace].filter(([place]) => !wantedPlaces.has(place) && isHeld(place));
  return { make, remove: remove.map(([, route]) => route) };
}
