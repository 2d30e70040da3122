/** The host's lease as requests see it: the subnet file, read anew for each, or why there is none. */
import { readSubnetFile } from "../../../files/read-subnet-file.ts";
import { OverlayError } from "../../../net/overlay-error.ts";
import { refused } from "../protocol/request-fields.ts";
import type { HostLease, Network, PluginState } from "./plugin-state.ts";
import { withEntry } from "./plugin-state.ts";

/** One of the two is null. */
export interface LeaseView {
  readonly lease: HostLease | null;
  /** Says what to do, for whoever needs a lease. */
  readonly problem: OverlayError | null;
}

/** Reads the subnet file. Asks nobody: it answers with etcd and the agent down. */
export async function readHostLease(subnetFile: string): Promise<LeaseView> {
  try {
    const { network, subnet, gateway, overlayMtu } = await readSubnetFile(subnetFile);
    return { lease: { network, subnet, gateway, overlayMtu }, problem: null };
  } catch (err) {
    if (err instanceof OverlayError) return { lease: null, problem: err };
    throw err;
  }
}

/** The lease. @throws {OverlayError} the problem, when there is none */
export function requireLease({ lease, problem }: LeaseView): HostLease {
  if (lease !== null) return lease;
  throw problem ?? refused("Cannot use this host's subnet: there is no lease");
}

/** Whether the host has another subnet than this network by now. Without a lease nobody knows, and the network is served. */
export function hasMoved({ lease }: LeaseView, network: Pick<Network, "lease">): boolean {
  return lease !== null && !lease.subnet.equals(network.lease.subnet);
}

/** The state in which networks on the lease's subnet know its newest MTU, gateway and overlay network. */
export function withLease(state: PluginState, { lease }: LeaseView): PluginState {
  if (lease === null) return state;
  const stale = [...state.networks.values()].filter(
    (network) => network.lease.subnet.equals(lease.subnet) && !isSameLease(network.lease, lease),
  );
  return stale.reduce(
    (next, network) => ({ ...next, networks: withEntry(next.networks, network.id, { ...network, lease }) }),
    state,
  );
}

function isSameLease(a: HostLease, b: HostLease): boolean {
  return a.network.equals(b.network) && a.gateway.equals(b.gateway) && a.overlayMtu === b.overlayMtu;
}
