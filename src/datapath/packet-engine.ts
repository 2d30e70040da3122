/**
 * The interface of a packet engine: reads IP packets from a TUN, sends each to the peer that owns its
 * destination inside one UDP datagram, and back.
 */
import type { Logger } from "pino";
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { Ipv6Address, Ipv6Prefix } from "../net/ipv6.ts";
import type { MacAddress } from "../net/mac.ts";
import type { ForwardingTable } from "./forwarding-table.ts";
import type { PacketCounters } from "./packet-counters.ts";
import type { PeerCounterName, PeerIdentity } from "./peer-counters.ts";
import type { OpenTun } from "./tun.ts";

/**
 * What lies between the outer UDP header and the inner packet: nothing (flannel's udp backend), or a VXLAN header
 * (RFC 7348 section 5) and an Ethernet header from our VTEP to the peer's. Then every table entry has a `vtepMac`.
 */
export type Framing =
  { readonly kind: "bare" } | { readonly kind: "vxlan"; readonly vni: number; readonly ownMac: MacAddress };

export interface PacketEngineOptions {
  /** The engine owns its descriptors from here on. */
  readonly tun: OpenTun;
  /** Descriptor of a bound IPv4 UDP socket, non-blocking. The engine owns it from here on. */
  readonly socketFd: number;
  /** UDP port of every peer. */
  readonly peerPort: number;
  readonly framing: Framing;
  readonly ownSubnet: Ipv4Prefix;
  /** Null: this node carries no IPv6, and drops it as noise. */
  readonly ownSubnet6: Ipv6Prefix | null;
  /**
   * Source of the ICMP errors we send. The kernel takes those to this host's own pods only when the TUN has
   * `accept_local` set: without it a packet from one of the host's own addresses is a martian (fib_frontend.c,
   * `__fib_validate_source`).
   */
  readonly tunAddress: Ipv4Address;
  /** The same for IPv6; needed with `ownSubnet6`. */
  readonly tunAddress6: Ipv6Address | null;
  /** Largest inner packet that fits one underlay packet; one with DF above it is answered with ICMP. */
  readonly overlayMtu: number;
  readonly sourceCheck: "strict" | "count" | "off";
  /** `off`: one datagram for each packet on the socket, as on a kernel without UDP segmentation offload. */
  readonly offload: "auto" | "off";
  /**
   * Source port of datagrams: the socket's own, or one of several chosen by a hash of the inner flow, so that
   * network cards and routers spread flows (RFC 7348 section 5). Within a flow it does not change.
   */
  readonly sourcePort: "fixed" | "flow-hash";
  readonly log: Logger;
}

/**
 * Packets and inner bytes that went to and came from one peer, as long as it is in every table: one that was away
 * starts at zero.
 */
export interface PeerCounters extends PeerIdentity, Readonly<Record<PeerCounterName, number>> {}

export interface PacketEngine {
  readonly name: "native" | "dgram";
  /** Replaces the whole table at once; packets already taken from a queue may still use the old one. */
  replaceTable(table: ForwardingTable): void;
  /** Packets and drops since the engine was opened. Every packet read is in exactly one outcome counter. */
  readCounters(): PacketCounters;
  /** One for each entry of the newest table, in its order. */
  readPeerCounters(): readonly PeerCounters[];
  /** Stops both directions and closes all descriptors. Resolves when no packet is under way. */
  close(): Promise<void>;
}

/** Opens an engine. On rejection all descriptors are closed too. */
export type OpenPacketEngine = (options: PacketEngineOptions) => Promise<PacketEngine>;
