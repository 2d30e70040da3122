/** Network devices: what is there, and the commands that make one as it should be. */
import type { BatchCommand } from "./ip-batch.ts";
import type { IpCommand } from "./ip-command.ts";
import { isRecord, listHas, numberOf, recordsOf, textOf } from "./json-fields.ts";

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
  /** Driver kind, such as `bridge`, `veth` or `tun`; null for a physical device. */
  readonly kind: string | null;
}

/** Every device of this namespace, in the order of their indexes. */
export async function readLinks(ip: IpCommand, signal: AbortSignal): Promise<Link[]> {
  return parseLinks(await ip.read(["-d", "link", "show"], signal));
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
      kind: isRecord(info) ? textOf(info, "info_kind") : null,
    });
  }
  return links;
}

/** Commands that give the device its MTU and set it up; none when it has both. */
export function planLink(wanted: { readonly mtu: number }, present: Link): BatchCommand[] {
  const words: string[] = [];
  if (present.mtu !== wanted.mtu) words.push("mtu", `${wanted.mtu}`);
  if (!present.isUp) words.push("up");
  return words.length === 0 ? [] : [["link", "set", "dev", present.name, ...words]];
}
