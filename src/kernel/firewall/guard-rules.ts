/** What the guard, our own nftables table, follows from. */
import type { Ipv4Address, Ipv4Prefix } from "../../net/ipv4.ts";

/** A peer, as far as the guard has to know it. */
export interface GuardedPeer {
  readonly subnet: Ipv4Prefix;
  readonly underlayIp: Ipv4Address;
  /** Its packets leave, and come, without encapsulation. */
  readonly isDirect: boolean;
}

/** Where encapsulated packets come in, and where they come out of it. */
export interface GuardedTunnel {
  /** UDP port. */
  readonly port: number;
  readonly deviceName: string;
  /** The kernel decapsulates, and checks neither who sent a packet nor what it holds. */
  readonly isInKernel: boolean;
  /** Peers on the underlay's link send without encapsulation, also before this node knows them for such. */
  readonly isDirectRouting: boolean;
}

/** What the guard is to hold. */
export interface GuardRules {
  readonly network: Ipv4Prefix;
  readonly ownSubnet: Ipv4Prefix;
  readonly underlayInterface: string;
  /** Networks that this host reaches without the overlay, although they may lie in `network`. */
  readonly underlayPrefixes: readonly Ipv4Prefix[];
  /** Null: nothing is encapsulated (host-gw). */
  readonly tunnel: GuardedTunnel | null;
  /** False: what was decapsulated may have a source outside the overlay (`--source-check` other than `strict`). */
  readonly isSourceChecked: boolean;
  /** No two subnets overlap, with each other or with `ownSubnet`. */
  readonly peers: readonly GuardedPeer[];
}
