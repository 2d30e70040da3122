import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { BackendData } from "../subnet-lease/lease.ts";

/** A node whose lease we forward to, never ourselves. */
export interface Peer {
  readonly subnet: Ipv4Prefix;
  /** Underlay address we send to, and the only one we accept its packets from. */
  readonly underlayIp: Ipv4Address;
  readonly backend: BackendData;
  readonly nodeId: string | null;
}

/** All peers, in the order of their subnets; no two subnets overlap, no two share an underlay address. */
export type PeerSet = readonly Peer[];
