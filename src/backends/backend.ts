/** The interface of a way of carrying overlay packets. Adding one is adding a folder and a line in backends.ts. */
import type { Logger } from "pino";
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { PeerSet } from "../peers/peer.ts";
import type { BackendData, JsonValue } from "../subnet-lease/lease.ts";

/** The network that carries the outer packets, as this host sees it. */
export interface Underlay {
  readonly interfaceName: string;
  readonly interfaceIndex: number;
  /** Address of the interface: what sockets bind to. */
  readonly interfaceIp: Ipv4Address;
  /** Address that peers send to; differs from `interfaceIp` behind NAT. */
  readonly publicIp: Ipv4Address;
  readonly underlayMtu: number;
}

/** What does not change while a backend lives. */
export interface BackendContext {
  /** The whole overlay range. */
  readonly network: Ipv4Prefix;
  readonly underlay: Underlay;
  /** The `Backend` object of the network config, as stored. */
  readonly options: Readonly<Record<string, JsonValue>>;
  readonly sourceCheck: SourceCheck;
  readonly log: Logger;
}

/**
 * What happens to an inner packet whose source is not in the sender's subnet: `strict` drops it, `count`
 * counts it and lets it pass, `off` does not look (needed behind routers that keep external sources). A source
 * in the receiver's own subnet is dropped always.
 */
export type SourceCheck = "strict" | "count" | "off";

export interface Backend {
  /** Name in the network config, lower case. */
  readonly type: string;
  /** Bytes added in front of an inner IP packet: UDP 28, VXLAN 50, host-gw 0 (all over IPv4). */
  readonly overheadBytes: number;
  /** What the lease tells peers; may make a device that it needs for that. Comes before `open`. */
  advertise(signal: AbortSignal): Promise<BackendData>;
  /** Makes device, routes and socket for the node's own subnet, adopting what an earlier run left. */
  open(ownSubnet: Ipv4Prefix, signal: AbortSignal): Promise<void>;
  /**
   * Makes the forwarding state equal `peers`; the same set twice changes nothing. On rejection
   * the work done so far stays, and the next call carries on from what the kernel then holds.
   */
  sync(peers: PeerSet, signal: AbortSignal): Promise<void>;
  /** Packets and drops since `open`, by counter name; for status and metrics. */
  readCounters(): Readonly<Record<string, number>>;
  /**
   * Stops forwarding and releases what the process holds. Kernel objects that keep overlay packets from
   * leaving in clear stay (persistent device, blackhole route). What is already gone is no error.
   */
  close(): Promise<void>;
}

/** @throws {OverlayError} `ERR_CONFIG_INVALID` when `context.options` are not this backend's */
export type BackendFactory = (context: BackendContext) => Backend;
