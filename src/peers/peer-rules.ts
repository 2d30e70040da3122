/** What must hold for each peer by itself, whatever the others say. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import type { BackendData } from "../subnet-lease/lease.ts";
import type { Peer } from "./peer.ts";

/** Who we are, as the registry knows us. */
export interface SelfIdentity {
  readonly nodeId: string;
  /** Subnet of our own lease; null while we have none. */
  readonly subnet: Ipv4Prefix | null;
  /** Address of our underlay interface. */
  readonly interfaceIp: Ipv4Address;
  /** Address that peers send to; differs from `interfaceIp` behind NAT. */
  readonly publicIp: Ipv4Address;
}

/** Where peers may be. */
export interface PeerPlace {
  /** The whole overlay range. */
  readonly network: Ipv4Prefix;
  /**
   * Networks that this host reaches without the overlay; a subnet in one of them would take the packets of
   * its hosts. One that holds `network` as a whole rules out every peer.
   */
  readonly underlayPrefixes: readonly Ipv4Prefix[];
  /** Type in the network config, lower case. */
  readonly backendType: string;
  /**
   * What of a peer's data no two nodes may share, such as a MAC address; "" when that is nothing. Null: nothing can be
   * sent to a peer with this data.
   */
  readonly identityOf: (data: BackendData) => string | null;
  /** The same of this node. */
  readonly ownIdentity: string | null;
}

/** Why a lease by itself is not forwarded to. */
export type PeerFault =
  /** Our own lease, also a stale one: no alarm. */
  | "own"
  | "outside-network"
  | "overlaps-own-subnet"
  | "overlaps-underlay"
  /** Somebody else claims our address: packets to them would come back to us. */
  | "next-hop-self"
  /** Not the address of a host. */
  | "next-hop-invalid"
  /** The tunnel would run through itself. */
  | "next-hop-in-overlay"
  /** It does not say what is needed to send to it, or says what stands for nobody. */
  | "backend-data-invalid"
  /** Its backend data are ours: what is sent to it would be taken for sent to us. */
  | "backend-data-own";

/** Backends whose leases have no `BackendType` (flannel-compatible): "" says one of these. */
const UNNAMED_BACKENDS: ReadonlySet<string> = new Set(["udp", "alloc"]);
/** In a prefix this long or longer no address stands for all hosts (RFC 3021). */
const POINT_TO_POINT_LENGTH = 31;

/** What is wrong with forwarding to `peer`, or null. */
export function findFault(peer: Peer, self: SelfIdentity, place: PeerPlace): PeerFault | null {
  const { subnet, underlayIp } = peer;
  if (isOwn(peer, self)) return "own";
  if (!place.network.containsPrefix(subnet)) return "outside-network";
  if (self.subnet?.overlaps(subnet) === true) return "overlaps-own-subnet";
  if (place.underlayPrefixes.some((prefix) => prefix.overlaps(subnet))) return "overlaps-underlay";
  if (isOurAddress(underlayIp, self)) return "next-hop-self";
  if (!isHostAddress(underlayIp, self, place)) return "next-hop-invalid";
  if (place.network.contains(underlayIp)) return "next-hop-in-overlay";
  return isCarriedBy(peer, place.backendType) ? findDataFault(peer, place) : null;
}

/** Asked of what our backend carries alone: it knows nothing of other data. */
function findDataFault({ backend }: Peer, { identityOf, ownIdentity }: PeerPlace): PeerFault | null {
  const identity = identityOf(backend);
  if (identity === null) return "backend-data-invalid";
  return identity !== "" && identity === ownIdentity ? "backend-data-own" : null;
}

/** Whether a node that announces this peer carries packets as a node of type `backendType` does. */
export function isCarriedBy(peer: Peer, backendType: string): boolean {
  const { type } = peer.backend;
  return type === "" ? UNNAMED_BACKENDS.has(backendType) : type === backendType;
}

/** By node id; a lease without one (flannel's) is ours by its address. */
function isOwn(peer: Peer, self: SelfIdentity): boolean {
  return peer.nodeId === null ? isOurAddress(peer.underlayIp, self) : peer.nodeId === self.nodeId;
}

function isOurAddress(address: Ipv4Address, self: SelfIdentity): boolean {
  return address.equals(self.interfaceIp) || address.equals(self.publicIp);
}

function isHostAddress(address: Ipv4Address, self: SelfIdentity, place: PeerPlace): boolean {
  if (!address.isUnicast) return false;
  // No router passes on a link-local address (RFC 3927 section 7), and on a host with several links it does
  // not say which: it names a peer only where the underlay itself is such a link.
  if (address.isLinkLocal && !self.interfaceIp.isLinkLocal) return false;
  return !place.underlayPrefixes.some((prefix) => isNetworkOrBroadcast(address, prefix));
}

/** Both forms of "all hosts" of a network that we are attached to (RFC 1122 section 3.3.6). */
function isNetworkOrBroadcast(address: Ipv4Address, prefix: Ipv4Prefix): boolean {
  if (prefix.length >= POINT_TO_POINT_LENGTH) return false;
  return address.equals(prefix.address) || address.equals(prefix.last);
}
