/** Tells, once for each lease, which networks the host's lease has left behind. */
import { hasMoved } from "./state/host-lease.ts";
import type { LeaseView } from "./state/host-lease.ts";
import type { Network } from "./state/plugin-state.ts";

/** What a look has brought. */
export interface MoveNews {
  /** Networks that were left behind by the lease, or by yet another one. */
  readonly moved: readonly Network[];
  /** Networks whose subnet is the host's again. */
  readonly back: readonly Network[];
}

export class MovedNetworks {
  /** The lease's subnet that the user was told of, by the network's id. */
  #told: ReadonlyMap<string, string> = new Map();

  /** What is new since the look before. Without a lease nobody knows, and what was told stays so. */
  look(networks: readonly Network[], view: LeaseView): MoveNews {
    if (view.lease === null) return { moved: [], back: [] };
    const subnet = view.lease.subnet.toString();
    const before = this.#told;
    const behind = networks.filter((network) => hasMoved(view, network));
    this.#told = new Map(behind.map(({ id }) => [id, subnet]));
    return {
      moved: behind.filter(({ id }) => before.get(id) !== subnet),
      back: networks.filter((network) => before.has(network.id) && !this.#told.has(network.id)),
    };
  }
}
