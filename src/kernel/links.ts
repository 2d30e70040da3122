/** Network devices: what is there, and the commands that make one as it should be. */
import { MacAddress } from "../net/mac.ts";
import type { BatchCommand } from "./ip-batch.ts";
import { isMissingDevice } from "./ip-command.ts";
import type { IpCommand } from "./ip-command.ts";
import { isRecord, listHas, numberOf, recordsOf, textOf } from "./json-fields.ts";

/** Alias of every device we make or adopt, and of no other: what carries it is ours to change and to remove. */
export const OWN_LINK_ALIAS = "twill";

/** A network device of this namespace. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** In bytes. */
  readonly mtu: number;
  /** Set up by its administrator (`IFF_UP`), with carrier or without. */
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** RFC 2863 state as `ip` writes it: `UP`, `DOWN`, `UNKNOWN`, ... */
  readonly operState: string;
  /** Null for a device without an Ethernet address, such as a TUN. */
  readonly mac: MacAddress | null;
  /** What somebody wrote on it (`ip link set alias`); null: nothing. */
  readonly alias: string | null;
  /** Driver kind, such as `bridge`, `veth` or `tun`; null for a physical device. */
  readonly kind: string | null;
}

/** Every device of this namespace, in the order of their indexes. */
export async function readLinks(ip: IpCommand, signal: AbortSignal): Promise<Link[]> {
  return parseLinks(await ip.read(["-d", "link", "show"], signal));
}

/**
 * What `ip -j -d address show` prints of the device of this name, itself and its addresses; an empty list when there is
 * none.
 * @throws {OverlayError} `ERR_KERNEL_FAILED` on any other failure
 */
export async function readDeviceJson(ip: IpCommand, name: string, signal: AbortSignal): Promise<unknown> {
  try {
    return await ip.read(["-d", "address", "show", "dev", name], signal);
  } catch (err) {
    if (isMissingDevice(err, name)) return [];
    throw err;
  }
}

/** Reads the output of `ip -j -d link show`, or of `ip -j -d address show`. */
export function parseLinks(json: unknown): Link[] {
  const links: Link[] = [];
  for (const record of recordsOf(json)) {
    const index = numberOf(record, "ifindex");
    const name = textOf(record, "ifname");
    const mtu = numberOf(record, "mtu");
    if (index === null || name === null || mtu === null) continue;
    const info = record.linkinfo;
    links.push({
      index,
      name,
      mtu,
      isUp: listHas(record, "flags", "UP"),
      isLoopback: listHas(record, "flags", "LOOPBACK"),
      operState: textOf(record, "operstate") ?? "UNKNOWN",
      mac: MacAddress.parse(textOf(record, "address") ?? ""),
      alias: textOf(record, "ifalias"),
      kind: isRecord(info) ? textOf(info, "info_kind") : null,
    });
  }
  return links;
}

/** What a device of ours must have. */
export interface WantedLink {
  readonly mtu: number;
  /** Left out: the device has none, or keeps the one it has. */
  readonly mac?: MacAddress;
}

/**
 * Commands that give the device MTU, MAC and our alias, and set it up; none when it has all of them. With another MAC, as
 * with being down, the kernel forgets every neighbour entry of the device.
 */
export function planLink({ mtu, mac }: WantedLink, present: Link): BatchCommand[] {
  const words: string[] = [];
  if (mac !== undefined && present.mac?.equals(mac) !== true) words.push("address", mac.toString());
  if (present.mtu !== mtu) words.push("mtu", `${mtu}`);
  if (present.alias !== OWN_LINK_ALIAS) words.push("alias", OWN_LINK_ALIAS);
  if (!present.isUp) words.push("up");
  return words.length === 0 ? [] : [["link", "set", "dev", present.name, ...words]];
}
