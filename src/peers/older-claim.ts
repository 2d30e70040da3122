import { Ipv4Address } from "../net/ipv4.ts";
import type { LeaseView, SubnetLease } from "../subnet-lease/lease.ts";
import type { PeerPlace, SelfIdentity } from "./peer-rules.ts";
import { selectPeers } from "./select-peers.ts";

/** Nobody: a node that has neither lease nor address judges leases as all the others do. */
const ANY_ADDRESS = new Ipv4Address(0);
const OUTSIDER: SelfIdentity = { nodeId: "", subnet: null, interfaceIp: ANY_ADDRESS, publicIp: ANY_ADDRESS };

/**
 * The lease that peers forward to in place of ours, or null: it has our address and is older, so they reject ours
 * and everything for our subnet is lost. Ours alone shows it: to us such a lease is just one more that is rejected.
 */
export function findOlderClaim(view: LeaseView, self: SelfIdentity, place: PeerPlace): SubnetLease | null {
  const { leases } = view;
  const own = leases.find(
    ({ subnet, attributes }) => attributes.nodeId === self.nodeId && self.subnet?.equals(subnet) === true,
  );
  if (own === undefined) return null;
  const rivals = leases.filter((other) => other !== own && sharesAddress(other, own));
  if (rivals.length === 0) return null; // nearly always, and the rest is a second look at every lease
  const { peers, rejected } = selectPeers(view, OUTSIDER, place);
  const isRejected = rejected.some(
    ({ lease, reason }) => lease === own && reason === "same-underlay-ip-as-older-lease",
  );
  if (!isRejected) return null;
  return rivals.find((rival) => peers.some((peer) => peer.subnet.equals(rival.subnet))) ?? null;
}

function sharesAddress(a: SubnetLease, b: SubnetLease): boolean {
  return a.attributes.underlayIp.equals(b.attributes.underlayIp);
}
