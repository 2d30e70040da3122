/** What carries our mark in the kernel: devices by their alias, routes by their protocol number. */
import type { IpCommand } from "../../kernel/ip-command.ts";
import { isRecord, listHas, recordsOf, textOf } from "../../kernel/json-fields.ts";
import { OWN_LINK_ALIAS } from "../../kernel/links.ts";
import { readOwnRoutes, routeCommand } from "../../kernel/routes.ts";
import type { Route } from "../../kernel/routes.ts";
import type { Remains } from "./remains.ts";

/** A device with our alias. */
export interface OwnDevice {
  readonly name: string;
  /** A process reads it: an agent of another run directory, or a flanneld that has taken over. */
  readonly isAttached: boolean;
}

/** Every device with our alias. */
export async function readOwnDevices(ip: IpCommand, signal: AbortSignal): Promise<OwnDevice[]> {
  return parseOwnDevices(await ip.read(["-d", "link", "show"], signal));
}

/**
 * Reads the output of `ip -j -d link show`. A TUN that nobody reads has no carrier; of another device the carrier says
 * nothing about processes.
 */
export function parseOwnDevices(json: unknown): OwnDevice[] {
  return recordsOf(json).flatMap((record) => {
    const name = textOf(record, "ifname");
    if (name === null || textOf(record, "ifalias") !== OWN_LINK_ALIAS) return [];
    const { linkinfo } = record;
    const isTun = isRecord(linkinfo) && textOf(linkinfo, "info_kind") === "tun";
    return [{ name, isAttached: isTun && listHas(record, "flags", "LOWER_UP") }];
  });
}

/** Routes and devices, in the order in which they go: a device takes its routes along. */
export async function findKernelRemains(
  ip: IpCommand,
  devices: readonly OwnDevice[],
  signal: AbortSignal,
): Promise<Remains[]> {
  const routes = await readOwnRoutes(ip, signal);
  return [
    {
      names: routes.map((route) => `route ${describeRoute(route)}`),
      async remove(removeSignal) {
        const commands = routes.map((route) => routeCommand("del", route));
        await ip.apply(commands, removeSignal);
        return true;
      },
    },
    ...devices.map(({ name }) => ({
      names: [`device ${name}`],
      async remove(removeSignal: AbortSignal) {
        await ip.apply([["link", "del", "dev", name]], removeSignal);
        return true;
      },
    })),
  ];
}

function describeRoute({ destination, kind, gateway, interfaceName }: Route): string {
  const via = gateway === null ? "" : ` via ${gateway.toString()}`;
  const dev = interfaceName === null ? "" : ` dev ${interfaceName}`;
  return `${kind === "blackhole" ? "blackhole " : ""}${destination.toString()}${via}${dev}`;
}
