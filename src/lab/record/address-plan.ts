/** Which address a lab gives to what. All of it is fixed, so that a lab looks the same each time. */
import { Ipv4Address, Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";

/** Documentation range TEST-NET-1 (RFC 5737 section 3): no real host is meant by it. */
export const UNDERLAY_NETWORK = new Ipv4Prefix(new Ipv4Address(0xc0000200), 24);
/** Overlay network of a lab that is not told another. */
export const DEFAULT_OVERLAY_NETWORK = "10.244.0.0/16";
/** Ethernet's; the overlay MTU follows from it. */
export const DEFAULT_UNDERLAY_MTU = 1500;
/** Smallest MTU every IPv4 link must carry (RFC 791 section 3.1); below it the kernel takes IPv4 off the link. */
export const MIN_UNDERLAY_MTU = 68;
/** Largest MTU of a veth device. */
export const MAX_UNDERLAY_MTU = 65_535;
/** Enough to see any effect of numbers on one machine; beyond it the machine is measured, not twill. */
export const MAX_HOSTS = 50;
/** Pods per host that fit in the smallest subnet we lease by default, with room. */
export const MAX_PODS_PER_HOST = 100;

const ROUTER_OFFSET = 254;
const FIRST_POD_OFFSET = 1;

/** Address of the underlay's router, where etcd listens too: 192.0.2.254. */
export const ROUTER_IP = UNDERLAY_NETWORK.address.plus(ROUTER_OFFSET);

/** Underlay address of a host, counted from 1: 192.0.2.1 and on. */
export function underlayIpOf(hostNumber: number): Ipv4Address {
  return UNDERLAY_NETWORK.address.plus(hostNumber);
}

/** Address of a host's pod, counted from 1: the first after the gateway, and on. */
export function podIpOf(gateway: Ipv4Address, podNumber: number): Ipv4Address {
  return gateway.plus(FIRST_POD_OFFSET + podNumber - 1);
}

/** Reads an overlay network. @throws {OverlayError} `ERR_OPTION_INVALID` unless it is a prefix apart from the underlay */
export function parseOverlayNetwork(text: string): Ipv4Prefix {
  const network = Ipv4Prefix.parse(text);
  if (network === null) {
    const meant = Ipv4Prefix.parseContaining(text);
    const problem =
      meant === null
        ? "need a.b.c.d/len"
        : `it has bits set past the /${meant.length}, use ${meant.toString()}`;
    throw new OverlayError(
      "ERR_OPTION_INVALID",
      `Cannot use ${JSON.stringify(text)} as overlay network: ${problem}`,
    );
  }
  if (network.overlaps(UNDERLAY_NETWORK)) {
    throw new OverlayError(
      "ERR_OPTION_INVALID",
      `Cannot use ${text} as overlay network: it overlaps the underlay, ${UNDERLAY_NETWORK.toString()}`,
    );
  }
  return network;
}

/** @throws {OverlayError} `ERR_OPTION_INVALID` unless `value` is an integer from `min` to `max` */
export function checkCount(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new OverlayError(
    "ERR_OPTION_INVALID",
    `Cannot make a lab with ${what} ${value}: need ${min} to ${max}`,
  );
}
