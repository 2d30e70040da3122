/** The interface of a way of carrying overlay packets. Adding one is adding a folder and a line in backends.ts. */
import type { Logger } from "pino";
import type { DatapathOptions, DatapathState } from "../datapath/choose-engine.ts";
import type { PeerCounters } from "../datapath/packet-engine.ts";
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
  /** For backends that carry packets in this process. */
  readonly datapath: DatapathOptions;
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
  /** What carries the packets in this process, or will; null where the kernel does. */
  readonly engineName: DatapathState["engine"] | null;
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
   * Packets of each peer as long as it is in every set: one that was away starts at zero. None where the kernel
   * carries them uncounted.
   */
  readPeerCounters(): readonly PeerCounters[];
  /** How packets are carried now; null while not open, and where the kernel carries them. */
  readDatapath(): DatapathState | null;
  /**
   * Stops forwarding and releases what the process holds. Kernel objects that keep overlay packets from
   * leaving in clear stay (persistent device, blackhole route). What is already gone is no error.
   */
  close(): Promise<void>;
}

/**
 * Touches nothing outside the process.
 * @throws {OverlayError} `ERR_CONFIG_INVALID` when `context.options` are not this backend's, `ERR_ADDON_MISSING` when
 *   the packet engine that was asked for cannot be used
 */
export type BackendFactory = (context: BackendContext) => Promise<Backend>;
