/** In which order kernel objects are changed, so that no packet finds a route before what that route needs. */
import type { BatchCommand } from "./ip-batch.ts";
import { routeCommand } from "./routes.ts";
import type { Route } from "./routes.ts";

/** Three batches, to be applied in this order; an empty one is not run. */
export interface ObjectCommands {
  /** For `ip`: routes that need no entry of the device, then routes that go. */
  readonly before: readonly BatchCommand[];
  /** For `bridge`: FDB entries. */
  readonly bridge: readonly BatchCommand[];
  /** For `ip`: neighbour entries, then the routes into the device. */
  readonly after: readonly BatchCommand[];
}

/** One route that is to be made: `add` where nothing of ours is, `replace` where there is. */
export interface RouteToMake {
  readonly verb: "add" | "replace";
  readonly route: Route;
}

/** Changes that were worked out, each list in any order. */
export interface ObjectChanges {
  readonly make: readonly RouteToMake[];
  readonly remove: readonly Route[];
  readonly neighbours: readonly BatchCommand[];
  readonly fdb: readonly BatchCommand[];
}

/**
 * The changes as batches. A route that leaves the device is made elsewhere before its entries go, one that comes to the
 * device is made after they are there, and a MAC has its FDB entry before an address leads to it.
 */
export function orderCommands(changes: ObjectChanges, deviceName: string | null): ObjectCommands {
  const { make, remove, neighbours, fdb } = changes;
  const needsDevice = ({ route }: RouteToMake): boolean =>
    deviceName !== null && route.interfaceName === deviceName;
  const toCommand = ({ verb, route }: RouteToMake): BatchCommand => routeCommand(verb, route);
  return {
    before: [
      ...make.filter((one) => !needsDevice(one)).map(toCommand),
      ...remove.map((route) => routeCommand("del", route)),
    ],
    bridge: fdb,
    after: [...neighbours, ...make.filter(needsDevice).map(toCommand)],
  };
}

/** Number of commands in all batches. */
export function countCommands({ before, bridge, after }: ObjectCommands): number {
  return before.length + bridge.length + after.length;
}
