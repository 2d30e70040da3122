/** Whether Docker would take a pool: it looks at routes. */
import { recordsOf, textOf } from "../../../kernel/json-fields.ts";
import { Ipv4Prefix } from "../../../net/ipv4.ts";
import { describeRival } from "../../../net/lease-rival.ts";
import type { RivalOwner } from "../../../net/lease-rival.ts";
import { refused } from "../protocol/request-fields.ts";

/** Of a route to one address, which `ip` writes without a length. */
const HOST_LENGTH = 32;

/** What `ip` is asked for: each address of a device brings such a route. */
export const LINK_ROUTES: readonly string[] = ["-4", "route", "show", "table", "main", "scope", "link"];

/**
 * Refuses a pool where Docker would: where a route of scope link overlaps it. Docker says nothing then but asks for another
 * pool, again and again.
 * @param linkRoutes what `ip` answers to {@link LINK_ROUTES}
 * @param ownerOf what a device of this name is
 * @throws {OverlayError} `ERR_REQUEST_REFUSED`
 */
export function refuseRouted(
  subnet: Ipv4Prefix,
  linkRoutes: unknown,
  ownerOf: (device: string) => RivalOwner,
): void {
  for (const record of recordsOf(linkRoutes)) {
    const destination = textOf(record, "dst") ?? "";
    const prefix = Ipv4Prefix.parseContaining(
      destination.includes("/") ? destination : `${destination}/${HOST_LENGTH}`,
    );
    if (prefix?.overlaps(subnet) !== true) continue;
    const device = textOf(record, "dev") ?? "";
    const rival = { device, claim: { kind: "route", destination: prefix }, owner: ownerOf(device) } as const;
    throw refused(`Cannot make the network: ${describeRival(rival, subnet)}`);
  }
}
