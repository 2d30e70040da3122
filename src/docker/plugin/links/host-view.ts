/** What this host has of devices: one look at the kernel, and at the plugins that run. */
import { parseAddresses } from "../../../kernel/addresses.ts";
import type { InterfaceAddress } from "../../../kernel/addresses.ts";
import { recordsOf, textOf } from "../../../kernel/json-fields.ts";
import type { JsonRecord } from "../../../kernel/json-fields.ts";
import { parseLinks } from "../../../kernel/links.ts";
import type { Link } from "../../../kernel/links.ts";

/** What `ip` shows of devices. */
export interface DeviceView {
  /** By name. */
  readonly links: ReadonlyMap<string, Link>;
  readonly addresses: readonly InterfaceAddress[];
  /** Name of the bridge that a device hangs on, by the device's name. */
  readonly masters: ReadonlyMap<string, string>;
  /**
   * Name of the device that one belongs to, by its name: of a veth the other end, of a VLAN what carries it. What is in
   * another network namespace, as a container's end, is not here.
   */
  readonly partners: ReadonlyMap<string, string>;
  /** Names of devices with an IPv6 address, such as the link-local one that each gets whose IPv6 is on when it is set up. */
  readonly ipv6Devices: ReadonlySet<string>;
}

/** What a look at the host has found. */
export interface HostView extends DeviceView {
  /** Ids of other plugins that run on this host, of those whose mark is on a device. */
  readonly runningInstances: ReadonlySet<string>;
}

/** Reads the output of `ip -j -d address show`. */
export function parseDeviceView(json: unknown): DeviceView {
  return {
    links: new Map(parseLinks(json).map((link) => [link.name, link])),
    addresses: parseAddresses(json),
    masters: memberByName(json, "master"),
    partners: memberByName(json, "link"),
    ipv6Devices: new Set(
      recordsOf(json).flatMap((one) => (hasIpv6(one) ? (textOf(one, "ifname") ?? []) : [])),
    ),
  };
}

function hasIpv6({ addr_info: addresses }: JsonRecord): boolean {
  return recordsOf(addresses).some(({ family }) => family === "inet6");
}

function memberByName(json: unknown, member: string): ReadonlyMap<string, string> {
  return new Map(
    recordsOf(json).flatMap((record): [string, string][] => {
      const [name, value] = [textOf(record, "ifname"), textOf(record, member)];
      return name === null || value === null ? [] : [[name, value]];
    }),
  );
}
