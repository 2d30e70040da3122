/** IPv4 addresses of network devices. */
import { Ipv4Address } from "../net/ipv4.ts";
import type { BatchCommand } from "./ip-batch.ts";
import type { IpCommand } from "./ip-command.ts";
import { numberOf, recordsOf, textOf } from "./json-fields.ts";
import type { JsonRecord } from "./json-fields.ts";

/** An IPv4 address on a device of this namespace. */
export interface InterfaceAddress {
  readonly interfaceIndex: number;
  readonly interfaceName: string;
  readonly address: Ipv4Address;
  /** Length of the prefix that is reached directly: 0 to 32. */
  readonly prefixLength: number;
  /** As `ip` writes it: `global`, `link`, `host`, or a number. */
  readonly scope: string;
  /** Its preferred lifetime is over: not for new connections. */
  readonly isDeprecated: boolean;
  /** It has a lifetime, as DHCP gives it. */
  readonly isDynamic: boolean;
  /** Not the first of its prefix on the device. */
  readonly isSecondary: boolean;
}

/** Every IPv4 address of this namespace: devices by index, the addresses of one in the kernel's order. */
export async function readAddresses(ip: IpCommand, signal: AbortSignal): Promise<InterfaceAddress[]> {
  return parseAddresses(await ip.read(["-4", "address", "show"], signal));
}

/** Reads the output of `ip -j address show`; IPv6 addresses are left out. */
export function parseAddresses(json: unknown): InterfaceAddress[] {
  return recordsOf(json).flatMap((link) => {
    const interfaceIndex = numberOf(link, "ifindex");
    const interfaceName = textOf(link, "ifname");
    if (interfaceIndex === null || interfaceName === null) return [];
    return recordsOf(link.addr_info).flatMap((record) => {
      const parsed = parseAddress(record);
      return parsed === null ? [] : [{ interfaceIndex, interfaceName, ...parsed }];
    });
  });
}

function parseAddress(record: JsonRecord): Omit<InterfaceAddress, "interfaceIndex" | "interfaceName"> | null {
  const address = Ipv4Address.parse(textOf(record, "local") ?? "");
  const prefixLength = numberOf(record, "prefixlen");
  if (address === null || prefixLength === null) return null;
  return {
    address,
    prefixLength,
    scope: textOf(record, "scope") ?? "global",
    isDeprecated: record.deprecated === true,
    isDynamic: record.dynamic === true,
    isSecondary: record.secondary === true,
  };
}

/**
 * Commands that give the device the wanted address and take away those others of `present` that `mayRemove`
 * allows. The new one comes first: the kernel drops every route of a device that loses its last address.
 */
export function planAddresses(
  interfaceName: string,
  wanted: { readonly address: Ipv4Address; readonly prefixLength: number },
  present: readonly InterfaceAddress[],
  mayRemove: (address: Ipv4Address) => boolean,
): BatchCommand[] {
  const isWanted = (one: InterfaceAddress): boolean =>
    one.address.equals(wanted.address) && one.prefixLength === wanted.prefixLength;
  const command = (verb: "add" | "del", one: typeof wanted): BatchCommand => {
    return ["address", verb, `${one.address.toString()}/${one.prefixLength}`, "dev", interfaceName];
  };
  return [
    ...(present.some(isWanted) ? [] : [command("add", wanted)]),
    ...present.filter((one) => !isWanted(one) && mayRemove(one.address)).map((one) => command("del", one)),
  ];
}
