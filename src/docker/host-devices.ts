/** The host's network devices, as far as a Docker network may meet them. */
import { parseAddresses } from "../kernel/addresses.ts";
import type { InterfaceAddress } from "../kernel/addresses.ts";
import type { IpCommand } from "../kernel/ip-command.ts";
import { parseLinks } from "../kernel/links.ts";
import type { Link } from "../kernel/links.ts";

/** As the kernel has them. */
export interface HostDevices {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
}

/** Reads them at once. @throws {OverlayError} `ERR_KERNEL_FAILED` */
export async function readHostDevices(ip: IpCommand, signal: AbortSignal): Promise<HostDevices> {
  const json = await ip.read(["-d", "address", "show"], signal);
  return { links: parseLinks(json), addresses: parseAddresses(json) };
}
