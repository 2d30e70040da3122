/** One look at the kernel for an audit: every object that an owner's scope covers. */
import { readFdb } from "./fdb.ts";
import type { IpCommand } from "./ip-command.ts";
import type { ObjectKeeperDeps, ObjectScope } from "./kernel-objects.ts";
import { readNeighbours } from "./neighbours.ts";
import type { PresentObjects } from "./object-plan.ts";
import { OWN_ROUTE_PROTOCOL, readDeviceRoutes, readOwnRoutes, readRoutesWithin } from "./routes.ts";
import type { Route } from "./routes.ts";

/** Reads with a few processes at once. @throws {OverlayError} `ERR_KERNEL_FAILED`, also when the device is not there */
export async function readObjects(
  { network, deviceName }: Pick<ObjectScope, "network" | "deviceName">,
  { ip, bridge }: Pick<ObjectKeeperDeps, "ip" | "bridge">,
  signal: AbortSignal,
): Promise<PresentObjects> {
  const [within, own, ofDevice, neighbours, fdb] = await Promise.all([
    readRoutesWithin(ip, network, signal),
    readOwnRoutes(ip, signal),
    onDevice(ip, deviceName, signal, readDeviceRoutes),
    onDevice(ip, deviceName, signal, readNeighbours),
    onDevice(bridge, deviceName, signal, readFdb),
  ]);
  const isElsewhere = (route: Route): boolean => !network.containsPrefix(route.destination);
  // Each route once: the lists overlap.
  const routes = [
    ...within,
    ...own.filter(isElsewhere),
    ...ofDevice.filter((route) => isElsewhere(route) && route.protocol !== OWN_ROUTE_PROTOCOL),
  ];
  return { routes, neighbours, fdb };
}

type ReadOfDevice<T> = (command: IpCommand, deviceName: string, signal: AbortSignal) => Promise<T[]>;

async function onDevice<T>(
  command: IpCommand,
  deviceName: string | null,
  signal: AbortSignal,
  read: ReadOfDevice<T>,
): Promise<T[]> {
  return deviceName === null ? [] : await read(command, deviceName, signal);
}
