import type { ForwardingEntry } from "../../datapath/forwarding-table.ts";
import type { Framing, PacketEngineOptions } from "../../datapath/packet-engine.ts";
import type { Peer } from "../../peers/peer.ts";
import type { BackendData } from "../../subnet-lease/lease.ts";
import type { Backend } from "../backend.ts";

/** What one way of carrying packets through this process has of its own; all else is the same for each. */
export interface TunnelSpec extends Pick<Backend, "type" | "overheadBytes" | "overlayMtu" | "identityOf"> {
  /** Of the TUN. */
  readonly deviceName: string;
  /** UDP port of this node and of every peer. */
  readonly port: number;
  readonly framing: Framing;
  /** Source port of datagrams where the operator does not say, and the engine can. */
  readonly sourcePort: PacketEngineOptions["sourcePort"];
  /** Packets for peers that are reached without a gateway leave as they are. */
  readonly isDirectRouting: boolean;
  /** What the lease tells peers. */
  readonly leaseData: BackendData;
  /** What the engine must know of a peer to whose data `identityOf` gives no null. */
  entryOf(peer: Peer): ForwardingEntry;
}
