/** Which addresses the kernel reaches without a gateway, and by which device. */
import { Ipv4Address } from "../net/ipv4.ts";
import type { IpCommand } from "./ip-command.ts";
import { recordsOf, textOf } from "./json-fields.ts";
import type { JsonRecord } from "./json-fields.ts";

/** Name of the device by which each address is on-link, by `Ipv4Address.value`; one that is not is not there. */
export type OnLinkDevices = ReadonlyMap<number, string>;

/**
 * Asks the kernel for its way to each address, in one process. An address is on-link when the way has no gateway and is
 * not one of this host's own.
 */
export async function readOnLink(
  ip: IpCommand,
  addresses: readonly Ipv4Address[],
  signal: AbortSignal,
): Promise<OnLinkDevices> {
  const answers = await ip.readBatch(
    addresses.map((address) => ["route", "get", address.toString()]),
    signal,
  );
  return parseOnLink(answers);
}

/** Reads the output of `ip -j route get` for each of several addresses. */
export function parseOnLink(answers: readonly unknown[]): OnLinkDevices {
  const devices = new Map<number, string>();
  for (const record of answers.flatMap(recordsOf)) {
    const address = Ipv4Address.parse(textOf(record, "dst") ?? "");
    const device = textOf(record, "dev");
    if (address !== null && device !== null && isDirect(record)) devices.set(address.value, device);
  }
  return devices;
}

/** `type` is there for all but unicast, `via` is a gateway of another address family. */
function isDirect(record: JsonRecord): boolean {
  return record.gateway === undefined && record.via === undefined && record.type === undefined;
}
