/**
 * What an agent tells about itself: the JSON of `/status` on its local socket, read by `twill status`, the
 * lab and the tests. Addresses and prefixes are text, 64-bit numbers are decimal text.
 */
export interface AgentStatus {
  readonly version: string;
  readonly pid: number;
  readonly nodeId: string;
  readonly ready: boolean;
  /** One sentence when `ready` is false. */
  readonly notReadyReason: string | null;
  /**
   * How the network config in etcd differs from the one this agent works by, or which right to read it is missing, and what
   * to do; null while neither is so.
   */
  readonly configProblem: string | null;
  readonly network: string | null;
  readonly subnet: string | null;
  readonly underlay: {
    readonly interfaceName: string;
    readonly interfaceIp: string;
    readonly publicIp: string;
  } | null;
  readonly backend: string | null;
  readonly overlayMtu: number | null;
  /** How packets are carried now; null until they are. */
  readonly datapath: {
    readonly engine: "native" | "dgram";
    readonly queues: number;
    /** Runs of packets that cross between kernel and agent in one piece. */
    readonly offload: "off" | "tcp" | "tcp+udp";
    readonly sourcePort: "fixed" | "flow-hash";
  } | null;
  readonly lease: {
    /** `cached`: taken from disk, not yet confirmed by the registry. */
    readonly state: "none" | "cached" | "held" | "reservation" | "lost";
    readonly etcdLeaseId: string | null;
    readonly expiresInSeconds: number | null;
  };
  readonly registry: {
    /** True while the watch on the leases stands. */
    readonly isConnected: boolean;
    readonly revision: string | null;
    /** Time since the last answer of any kind, in seconds. */
    readonly lastContactSeconds: number | null;
    readonly relists: number;
  };
  /** The peers that are forwarded to, in the order of their subnets. */
  readonly peers: readonly {
    readonly subnet: string;
    readonly underlayIp: string;
    readonly nodeId: string | null;
    /** Gone from the registry, but kept by the mass-deletion guard. */
    readonly isHeld: boolean;
    /** Since the peer is forwarded to; null until it is. Bytes are those of the inner packets. */
    readonly counters: {
      readonly encapPackets: number;
      readonly encapBytes: number;
      readonly decapPackets: number;
      readonly decapBytes: number;
      /** Datagrams of this peer that the checks refused. */
      readonly decapDropped: number;
    } | null;
  }[];
  /** Leases under the prefix that are not forwarded to, by reason. */
  readonly rejectedLeases: Readonly<Record<string, number>>;
  /** Packets and drops of the data path since it was opened. */
  readonly counters: Readonly<Record<string, number>>;
}
