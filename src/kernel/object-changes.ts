/** What a `sync` does: from what was wanted to what is wanted, without a look at the kernel. */
import { removeFdbEntry, replaceFdbEntry } from "./fdb.ts";
import type { FdbEntry } from "./fdb.ts";
import type { BatchCommand } from "./ip-batch.ts";
import type { KernelObjects } from "./kernel-objects.ts";
import { removeNeighbour, replaceNeighbour } from "./neighbours.ts";
import type { Neighbour } from "./neighbours.ts";
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
      neighbours: onDevice((name) => changeNeighbours(name, old.neighbours, wanted.neighbours)),
      fdb: onDevice((name) => changeFdb(name, old.fdb, wanted.fdb)),
    },
    deviceName,
  );
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

/** An address that another entry still wants stays. */
function changeNeighbours(
  deviceName: string,
  old: readonly Neighbour[],
  wanted: readonly Neighbour[],
): BatchCommand[] {
  const oldMacs = new Map(old.map(({ address, mac }) => [address.value, mac.value]));
  const wantedPlaces = new Set(wanted.map(({ address }) => address.value));
  const changed = wanted.filter(({ address, mac }) => oldMacs.get(address.value) !== mac.value);
  const gone = old.filter(({ address }) => !wantedPlaces.has(address.value));
  return [
    ...changed.map((neighbour) => replaceNeighbour(deviceName, neighbour)),
    ...gone.map(({ address }) => removeNeighbour(deviceName, address)),
  ];
}

/** A MAC that another entry still wants stays. */
function changeFdb(
  deviceName: string,
  old: readonly FdbEntry[],
  wanted: readonly FdbEntry[],
): BatchCommand[] {
  const oldAddresses = new Map(old.map(({ mac, underlayIp }) => [mac.value, underlayIp.value]));
  const wantedPlaces = new Set(wanted.map(({ mac }) => mac.value));
  const changed = wanted.filter(({ mac, underlayIp }) => oldAddresses.get(mac.value) !== underlayIp.value);
  const gone = old.filter(({ mac }) => !wantedPlaces.has(mac.value));
  return [
    ...changed.map((entry) => replaceFdbEntry(deviceName, entry)),
    ...gone.map(({ mac }) => removeFdbEntry(deviceName, mac)),
  ];
}
