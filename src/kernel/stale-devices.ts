/** Overlay devices that an earlier run left under another name, such as flannel0 after a change from udp to vxlan. */
import type { Logger } from "pino";
import { parseAddresses } from "./addresses.ts";
import type { BatchCommand } from "./ip-batch.ts";
import type { IpCommand } from "./ip-command.ts";
import { listHas, recordsOf, textOf } from "./json-fields.ts";
import type { JsonRecord } from "./json-fields.ts";
import { OWN_LINK_ALIAS } from "./links.ts";
import { isOverlayAddress } from "./overlay-range.ts";
import type { OverlayRange } from "./overlay-range.ts";

/** What this node uses, and used: a device with an address outside of its networks is another agent's. */
export interface OverlayUse extends OverlayRange {
  /** Name of the device in use, which stays; null: none is. */
  readonly deviceName: string | null;
}

/** Does its work once: from the call on that has worked, nothing is left of an earlier run. */
export class StaleDevices {
  readonly #ip: IpCommand;
  readonly #use: OverlayUse;
  readonly #log: Logger;
  #isGone = false;

  constructor(ip: IpCommand, use: OverlayUse, log: Logger) {
    this.#ip = ip;
    this.#use = use;
    this.#log = log;
  }

  /**
   * Deletes those devices, with the routes into them; resolves with their number. The blackhole route of the network must
   * be there: it holds the packets that such a device took. A TUN that a process is attached to stays, and so does one
   * that is set down, because nothing tells whether somebody has it. After a call that worked, nothing is looked at any more.
   */
  async remove(signal: AbortSignal): Promise<number> {
    if (this.#isGone) return 0;
    const removed = await removeStaleDevices(this.#ip, this.#use, this.#log, signal);
    this.#isGone = true;
    return removed;
  }
}

async function removeStaleDevices(
  ip: IpCommand,
  use: OverlayUse,
  log: Logger,
  signal: AbortSignal,
): Promise<number> {
  const ofKind = (kind: string): Promise<unknown> => ip.read(["-d", "address", "show", "type", kind], signal);
  const [tuns, vxlans] = await Promise.all([ofKind("tun"), ofKind("vxlan")]);
  const names = findStaleDevices(recordsOf(tuns), recordsOf(vxlans), use);
  await ip.apply(
    names.map((name): BatchCommand => ["link", "del", "dev", name]),
    signal,
  );
  for (const device of names) log.info({ device }, "Overlay device of an earlier run removed");
  return names.length;
}

/** Their names, of what `ip -j -d address show type tun`, and `type vxlan`, prints. */
export function findStaleDevices(
  tuns: readonly JsonRecord[],
  vxlans: readonly JsonRecord[],
  use: OverlayUse,
): string[] {
  return [...tuns.filter(isUnattached), ...vxlans].flatMap((link) => {
    const name = textOf(link, "ifname");
    if (name === null || name === use.deviceName || textOf(link, "ifalias") !== OWN_LINK_ALIAS) return [];
    return hasForeignAddress(link, use) ? [] : [name];
  });
}

/**
 * A TUN has carrier while a process is attached to it (drivers/net/tun.c); `LOWER_UP` says so at once, `NO-CARRIER` up
 * to a second later. One that is down never has it.
 */
function isUnattached(tun: JsonRecord): boolean {
  return listHas(tun, "flags", "UP") && !listHas(tun, "flags", "LOWER_UP");
}

function hasForeignAddress(link: JsonRecord, use: OverlayUse): boolean {
  return parseAddresses([link]).some(({ address }) => !isOverlayAddress(use, address));
}
