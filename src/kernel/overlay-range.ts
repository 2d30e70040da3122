/** What belongs to this node's overlay, of now or of its earlier run: the rest is somebody else's. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";

export interface OverlayRange {
  readonly network: Ipv4Prefix;
  /** Where the earlier run had another network; else null. */
  readonly formerNetwork: Ipv4Prefix | null;
}

export function isOverlayAddress({ network, formerNetwork }: OverlayRange, address: Ipv4Address): boolean {
  return network.contains(address) || formerNetwork?.contains(address) === true;
}

export function isOverlayPrefix({ network, formerNetwork }: OverlayRange, prefix: Ipv4Prefix): boolean {
  return network.containsPrefix(prefix) || formerNetwork?.containsPrefix(prefix) === true;
}
