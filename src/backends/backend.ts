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
  /** Whether this process carries the packets or the kernel does, where a backend can do either (vxlan). */
  readonly carrier: "user" | "kernel";
  /** For backends that carry packets in this process. */
  readonly datapath: DatapathOptions;
  /** Stable id of this node. */
  readonly nodeId: string;
  /** Overlay range of this node's earlier run, where it was another one: what is left of it is ours to remove. */
  readonly formerNetwork: Ipv4Prefix | null;
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
  /** Largest inner packet: what containers get as their MTU. */
  readonly overlayMtu: number;
  /** What carries the packets in this process, or will; null where the kernel does. */
  readonly engineName: DatapathState["engine"] | null;
  /** False: it leases a subnet, and how packets get there is somebody else's business (alloc). */
  readonly carriesPackets: boolean;
  /** Name of the overlay device; null for a backend without one. */
  readonly deviceName: string | null;
  /** Index of that device, another one when it was made again; null while there is none. */
  readonly deviceIndex: number | null;
  /** UDP port that takes encapsulated packets; null where nothing is encapsulated. */
  readonly encapsulationPort: number | null;
  /** Whether peers that are on-link are reached, and send, without encapsulation (host-gw, vxlan's DirectRouting). */
  readonly isDirectRouting: boolean;
  /** What the lease tells peers; leaves the host as it was. Comes before `open`. */
  advertise(signal: AbortSignal): Promise<BackendData>;
  /**
   * What of a peer's data no two nodes may share, such as a MAC address; "" when that is nothing. Null: nothing can be
   * sent to a peer with this data. Pure.
   */
  identityOf(data: BackendData): string | null;
  /** Makes device, routes and socket for the node's own subnet, adopting what an earlier run left. */
  open(ownSubnet: Ipv4Prefix, signal: AbortSignal): Promise<void>;
  /**
   * Makes the forwarding state equal `peers`, of whom `identityOf` gave no null; the same set twice changes nothing.
   * Costs as much as differs from the last call: what others changed meanwhile is for `audit`. On rejection the work
   * done so far stays, and an `audit` and a `sync` carry on from there.
   */
  sync(peers: PeerSet, signal: AbortSignal): Promise<void>;
  /**
   * Compares device, addresses, routes and the like with what the kernel holds, and repairs what differs from what
   * `open` and the last `sync` made, also what the underlay's routes now ask for. Resolves with the number of repairs.
   * What an earlier run left of ours and is not wanted goes at the first audit after a `sync`: the first set of peers
   * must be complete, or that of the earlier run.
   */
  audit(signal: AbortSignal): Promise<number>;
  /** Subnets of those peers of the last `sync` whose packets leave without encapsulation. */
  readDirectSubnets(): readonly Ipv4Prefix[];
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
   * Releases what the process holds, which stops forwarding where this process forwards. Kernel objects stay: where
   * the kernel forwards it goes on, elsewhere they keep overlay packets from leaving in clear (persistent device,
   * blackhole route). What is already gone is no error.
   */
  close(): Promise<void>;
}

/**
 * Touches nothing outside the process.
 * @throws {OverlayError} `ERR_CONFIG_INVALID` when `context.options` are not this backend's, `ERR_ADDON_MISSING` when
 *   the packet engine that was asked for cannot be used
 */
export type BackendFactory = (context: BackendContext) => Promise<Backend>;
