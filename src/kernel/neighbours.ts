/** Permanent IPv4 neighbour entries: overlay address to MAC, so that the kernel never asks by ARP. */
import { Ipv4Address } from "../net/ipv4.ts";
import { MacAddress } from "../net/mac.ts";
import type { BatchCommand } from "./ip-batch.ts";
import type { IpCommand } from "./ip-command.ts";
import { listHas, recordsOf, textOf } from "./json-fields.ts";

/** `ip neigh replace ADDRESS lladdr MAC dev DEVICE nud permanent` */
export interface Neighbour {
  readonly address: Ipv4Address;
  readonly mac: MacAddress;
}

/** An entry as the kernel holds it. */
export interface PresentNeighbour {
  readonly address: Ipv4Address;
  /** Null while nobody has answered. */
  readonly mac: MacAddress | null;
  /** Made by a program. Others come and go with ARP. */
  readonly isPermanent: boolean;
}

/** Every IPv4 entry of a device, in whatever state. */
export async function readNeighbours(
  ip: IpCommand,
  deviceName: string,
  signal: AbortSignal,
): Promise<PresentNeighbour[]> {
  return parseNeighbours(await ip.read(["-4", "neigh", "show", "dev", deviceName, "nud", "all"], signal));
}

/** Reads the output of `ip -j -4 neigh show dev DEVICE`. */
export function parseNeighbours(json: unknown): PresentNeighbour[] {
  return recordsOf(json).flatMap((record) => {
    const address = Ipv4Address.parse(textOf(record, "dst") ?? "");
    if (address === null) return [];
    const mac = MacAddress.parse(textOf(record, "lladdr") ?? "");
    return [{ address, mac, isPermanent: listHas(record, "state", "PERMANENT") }];
  });
}

/**
 * Commands that make every wanted entry, then remove those permanent ones that are not wanted. The kernel knows an
 * entry by its address: one that it learnt in a wanted place is replaced, others are left, as are those for link-local
 * addresses.
 */
export function planNeighbours(
  deviceName: string,
  wanted: readonly Neighbour[],
  present: readonly PresentNeighbour[],
): BatchCommand[] {
  const wantedPlaces = new Set(wanted.map(({ address }) => address.value));
  const permanent = new Map(
    present.filter(({ isPermanent }) => isPermanent).map(({ address, mac }) => [address.value, mac?.value]),
  );
  const missing = wanted.filter(({ address, mac }) => permanent.get(address.value) !== mac.value);
  const surplus = present.filter(
    ({ address, isPermanent }) => isPermanent && !wantedPlaces.has(address.value) && !address.isLinkLocal,
  );
  return [
    ...missing.map((neighbour) => replaceNeighbour(deviceName, neighbour)),
    ...surplus.map(({ address }) => removeNeighbour(deviceName, address)),
  ];
}

/** Makes the entry, in the place of any other for its address. */
export function replaceNeighbour(deviceName: string, { address, mac }: Neighbour): BatchCommand {
  const entry = [address.toString(), "lladdr", mac.toString(), "dev", deviceName];
  return ["neigh", "replace", ...entry, "nud", "permanent"];
}

/** Fails when there is none. */
export function removeNeighbour(deviceName: string, address: Ipv4Address): BatchCommand {
  return ["neigh", "del", address.toString(), "dev", deviceName];
}
