/**
 * The interface of a packet engine: reads bare IP packets from a TUN, sends each to the peer that owns its
 * destination inside one UDP datagram, and back. No framing: the UDP payload is the inner packet
 * (flannel's udp backend).
 */
import type { Logger } from "pino";
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { ForwardingTable } from "./forwarding-table.ts";
import type { PacketCounters } from "./packet-counters.ts";

export interface PacketEngineOptions {
  /** Descriptor of a TUN without packet information, non-blocking. The engine owns it from here on. */
  readonly tunFd: number;
  /** Descriptor of a bound IPv4 UDP socket, non-blocking. The engine owns it from here on. */
  readonly socketFd: number;
  /** UDP port of every peer. */
  readonly peerPort: number;
  readonly ownSubnet: Ipv4Prefix;
  /**
   * Source of the ICMP errors we send. The kernel takes those to this host's own pods only when the TUN has
   * `accept_local` set: without it a packet from one of the host's own addresses is a martian (fib_frontend.c,
   * `__fib_validate_source`).
   */
  readonly tunAddress: Ipv4Address;
  /** Largest inner packet that fits one underlay packet; one with DF above it is answered with ICMP. */
  readonly overlayMtu: number;
  readonly sourceCheck: "strict" | "count" | "off";
  readonly log: Logger;
}

export interface PacketEngine {
  /** Replaces the whole table at once; packets already taken from a queue may still use the old one. */
  replaceTable(table: ForwardingTable): void;
  /** Packets and drops since the engine was opened. Every packet read is in exactly one outcome counter. */
  readCounters(): PacketCounters;
  /** Stops both directions and closes both descriptors. Resolves when no packet is under way. */
  close(): Promise<void>;
}

export type OpenPacketEngine = (options: PacketEngineOptions) => Promise<PacketEngine>;
