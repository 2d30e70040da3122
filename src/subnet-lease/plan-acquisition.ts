/** What to do next to get or keep a subnet, decided from one list of leases. Pure; a lost race lists again. */
import type { Ipv4Address, Ipv4Prefix } from "../net/ipv4.ts";
import { chooseSubnet, countSubnets } from "./choose-subnet.ts";
import type { LeaseList, UnreadableLease } from "./lease-list.ts";
import type { SubnetLease } from "./lease.ts";
import type { NetworkConfig } from "./network-config.ts";

/** Who we are. */
export interface NodeIdentity {
  readonly nodeId: string;
  readonly underlayIp: Ipv4Address;
  /**
   * False until the process has had its first subnet: then a lease is ours by the node id or by the address
   * alone, so that a node keeps its subnet when its address changes, when its disk is replaced, and when it
   * takes over from flannel. True from then on: whoever then writes one of the two into a lease is another
   * machine (a cloned disk, an address given twice), and the two would take it from each other for ever.
   */
  readonly isStrict: boolean;
}

/** What is decided from. */
export interface AcquisitionInput {
  readonly list: LeaseList;
  readonly config: Pick<NetworkConfig, "subnetLength" | "subnetMin" | "subnetMax">;
  readonly identity: NodeIdentity;
  /** The subnet this process has leased and forwards for, or null before the first. */
  readonly held: Ipv4Prefix | null;
  /** What the node had before, by its own records; taken when it is free. */
  readonly previousSubnet: Ipv4Prefix | null;
  /** Gives 0 to 1, 1 excluded. */
  readonly random: () => number;
}

/** One step; after `drop`, and when a write loses its race, the next step comes from a new list. */
export type AcquisitionStep =
  /** Ours already: make its value and its etcd lease what they should be. */
  | { readonly kind: "adopt"; readonly lease: SubnetLease | UnreadableLease }
  /** Nobody's: write it, if it still does not exist. */
  | { readonly kind: "create"; readonly subnet: Ipv4Prefix }
  /** Ours, but of no use: delete it, if it is still as listed. */
  | { readonly kind: "drop"; readonly lease: SubnetLease; readonly reason: DropReason }
  /** None of the `total` subnets is free. */
  | { readonly kind: "exhausted"; readonly total: number };

/** Why a lease of our own is deleted. */
export type DropReason =
  "not in the network config" | "overlaps an older lease" | "second lease of this node";

/** Why a lease is ours; the first is the best. */
const CLAIMS = ["node and address", "node", "address", "address of another node id"] as const;
type Claim = (typeof CLAIMS)[number];

/** The next step towards exactly one lease of our own: an own lease, the previous subnet, a free one. */
export function planAcquisition(input: AcquisitionInput): AcquisitionStep {
  const { list, config, held, previousSubnet, random } = input;
  const own = listOwn(input);
  const best = own[0];
  if (best !== undefined) {
    const problem = problemOf(best, input);
    if (problem !== null) return { kind: "drop", lease: best, reason: problem };
    const second = own.find((lease) => lease !== best && isSpare(lease, input.identity));
    if (second !== undefined) return { kind: "drop", lease: second, reason: "second lease of this node" };
    return { kind: "adopt", lease: best };
  }
  // A value that names nobody is no claim of another node: what we hold is put right again.
  const garbled = list.unreadable.find(
    (lease) => lease.subnet6 === null && held?.equals(lease.subnet) === true,
  );
  if (garbled !== undefined) return { kind: "adopt", lease: garbled };
  const taken = [...list.leases, ...list.unreadable].map((lease) => lease.subnet);
  if (
    previousSubnet !== null &&
    isInRange(previousSubnet, config) &&
    !taken.some((t) => t.overlaps(previousSubnet))
  ) {
    return { kind: "create", subnet: previousSubnet };
  }
  const subnet = chooseSubnet(config, taken, random);
  return subnet === null ? { kind: "exhausted", total: countSubnets(config) } : { kind: "create", subnet };
}

/** What makes `subnet` unusable for us: a lease that is not ours, or one that nobody can read. */
export function findHolder(
  list: LeaseList,
  subnet: Ipv4Prefix,
  identity: NodeIdentity,
): SubnetLease | UnreadableLease | null {
  const others = list.leases.filter((lease) => claimOn(lease, identity) === null);
  return [...others, ...list.unreadable].find((lease) => lease.subnet.overlaps(subnet)) ?? null;
}

/**
 * Our leases, the one to keep first: by the strength of the claim, then what we hold, then a reservation
 * (somebody made it on purpose, and it never expires), then what we had, then the oldest. One that carries
 * another node id is left alone when we cannot use it: that node may be alive.
 */
function listOwn(input: AcquisitionInput): SubnetLease[] {
  const { list, identity, held, previousSubnet } = input;
  const isUsable = (lease: SubnetLease, claim: Claim): boolean =>
    claim !== "address of another node id" || problemOf(lease, input) === null;
  return list.leases
    .flatMap((lease) => {
      const claim = claimOn(lease, identity);
      return claim !== null && isUsable(lease, claim) ? [{ lease, rank: CLAIMS.indexOf(claim) }] : [];
    })
    .sort(
      (a, b) =>
        a.rank - b.rank ||
        compareFacts(held?.equals(a.lease.subnet), held?.equals(b.lease.subnet)) ||
        compareFacts(a.lease.etcdLeaseId === 0n, b.lease.etcdLeaseId === 0n) ||
        compareFacts(previousSubnet?.equals(a.lease.subnet), previousSubnet?.equals(b.lease.subnet)) ||
        (a.lease.createRevision < b.lease.createRevision ? -1 : 1),
    )
    .map(({ lease }) => lease);
}

/** How a lease is ours, or null when it is not. */
function claimOn(lease: SubnetLease, { nodeId, underlayIp, isStrict }: NodeIdentity): Claim | null {
  const hasOurNodeId = lease.attributes.nodeId === nodeId;
  if (!lease.attributes.underlayIp.equals(underlayIp)) return hasOurNodeId && !isStrict ? "node" : null;
  if (hasOurNodeId) return "node and address";
  // With our address and no node id, it is a reservation for us, or a flannel daemon had it on this host.
  if (lease.attributes.nodeId === null) return lease.etcdLeaseId === 0n ? "node and address" : "address";
  return isStrict ? null : "address of another node id";
}

/** To be deleted beside a better one: not a reservation, and not what may be another machine's. */
function isSpare(lease: SubnetLease, identity: NodeIdentity): boolean {
  const claim = claimOn(lease, identity);
  return lease.etcdLeaseId !== 0n && (claim === "node and address" || claim === "address");
}

function problemOf(lease: SubnetLease, { list, config, identity }: AcquisitionInput): DropReason | null {
  if (lease.subnet6 !== null || !isInRange(lease.subnet, config)) return "not in the network config";
  const isOverlapped = list.leases.some(
    (other) =>
      other.createRevision < lease.createRevision &&
      other.subnet.overlaps(lease.subnet) &&
      claimOn(other, identity) === null,
  );
  return isOverlapped ? "overlaps an older lease" : null;
}

/** Whether a node may lease this subnet under this config. */
export function isInRange(subnet: Ipv4Prefix, config: AcquisitionInput["config"]): boolean {
  const base = subnet.address.value;
  return (
    subnet.length === config.subnetLength && config.subnetMin.value <= base && base <= config.subnetMax.value
  );
}

/** Order of two facts: the true one first. */
function compareFacts(a: boolean | undefined, b: boolean | undefined): number {
  return Number(b ?? false) - Number(a ?? false);
}
