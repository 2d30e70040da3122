/** FDB entries of a vxlan device: inner MAC to underlay address (bridge(8), `bridge fdb`). */
import { Ipv4Address } from "../net/ipv4.ts";
import { MacAddress } from "../net/mac.ts";
import type { BatchCommand } from "./ip-batch.ts";
import type { IpCommand } from "./ip-command.ts";
import { listHas, recordsOf, textOf } from "./json-fields.ts";

/** `bridge fdb replace MAC dev DEVICE self permanent dst ADDRESS`; the kernel knows an entry by its MAC. */
export interface FdbEntry {
  readonly mac: MacAddress;
  readonly underlayIp: Ipv4Address;
}

/** One destination of an entry, as the kernel holds it. */
export interface PresentFdbEntry {
  readonly mac: MacAddress;
  /** Null for a destination that is no IPv4 address. */
  readonly underlayIp: Ipv4Address | null;
  /** Made by a program and without an end. Others are learnt from frames, or given a time. */
  readonly isPermanent: boolean;
  /** It names more than the address (a port, a VNI, a device), which ours never do. */
  readonly hasExtras: boolean;
}

/** Members of an entry that say where to send, besides `dst`. */
const EXTRAS = ["port", "vni", "src_vni", "viaIf", "viaIfIndex", "nhid", "offload"] as const;

/** Every entry of a device's own table; that of a bridge which the device is a port of is not it. */
export async function readFdb(
  bridge: IpCommand,
  deviceName: string,
  signal: AbortSignal,
): Promise<PresentFdbEntry[]> {
  return parseFdb(await bridge.read(["fdb", "show", "dev", deviceName], signal));
}

/** Reads the output of `bridge -j fdb show dev DEVICE`. */
export function parseFdb(json: unknown): PresentFdbEntry[] {
  return recordsOf(json).flatMap((record) => {
    const mac = MacAddress.parse(textOf(record, "mac") ?? "");
    if (mac === null || !listHas(record, "flags", "self")) return [];
    return [
      {
        mac,
        underlayIp: Ipv4Address.parse(textOf(record, "dst") ?? ""),
        isPermanent: textOf(record, "state") === "permanent",
        hasExtras: EXTRAS.some((member) => record[member] !== undefined),
      },
    ];
  });
}

/**
 * Commands that make every wanted entry, then remove those permanent ones whose MAC is not wanted, with all their
 * destinations. What the device learnt is left, but in a wanted place.
 */
export function planFdb(
  deviceName: string,
  wanted: readonly FdbEntry[],
  present: readonly PresentFdbEntry[],
): BatchCommand[] {
  const wantedPlaces = new Set(wanted.map(({ mac }) => mac.value));
  const destinations = new Map<number, PresentFdbEntry[]>();
  for (const entry of present) {
    const others = destinations.get(entry.mac.value);
    if (others === undefined) destinations.set(entry.mac.value, [entry]);
    else others.push(entry);
  }
  const missing = wanted.filter((entry) => !isExactly(entry, destinations.get(entry.mac.value)));
  const surplus = present.filter(({ mac, isPermanent }) => isPermanent && !wantedPlaces.has(mac.value));
  const surplusMacs = new Map(surplus.map(({ mac }) => [mac.value, mac]));
  return [
    ...missing.map((entry) => replaceFdbEntry(deviceName, entry)),
    ...[...surplusMacs.values()].map((mac) => removeFdbEntry(deviceName, mac)),
  ];
}

function isExactly(wanted: FdbEntry, present: readonly PresentFdbEntry[] = []): boolean {
  const [only, ...others] = present;
  if (only?.isPermanent !== true || only.hasExtras || others.length > 0) return false;
  return only.underlayIp?.equals(wanted.underlayIp) === true;
}

/** Makes the entry, in the place of any other for its MAC. */
export function replaceFdbEntry(deviceName: string, { mac, underlayIp }: FdbEntry): BatchCommand {
  const place = [mac.toString(), "dev", deviceName, "self", "permanent"];
  return ["fdb", "replace", ...place, "dst", underlayIp.toString()];
}

/** Fails when there is none. Named without a destination, so all of them go. */
export function removeFdbEntry(deviceName: string, mac: MacAddress): BatchCommand {
  return ["fdb", "del", mac.toString(), "dev", deviceName, "self"];
}
