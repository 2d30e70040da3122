/**
 * Another device on this host's lease. A lease carries one network: two bridges with its gateway answer for one another.
 * Whatever meets such a device (a Docker network, the network plugin, dockerd's `--bip`, `twill-cni`) tells of it in these words.
 */
import type { Ipv4Address, Ipv4Prefix } from "./ipv4.ts";
import { shellWord } from "./shell-word.ts";
import { escapeUntrusted } from "./untrusted-text.ts";

/** The bridge that Docker makes by itself, whose addresses `--bip` chooses. */
export const DOCKER_BRIDGE = "docker0";

/** The other device, what it has of the lease, and what it is. */
export interface LeaseRival {
  readonly device: string;
  readonly claim: RivalClaim;
  readonly owner: RivalOwner;
}

/** By what a device was found to be on the lease. */
export type RivalClaim =
  | { readonly kind: "address"; readonly address: Ipv4Address; readonly prefixLength: number }
  | { readonly kind: "route"; readonly destination: Ipv4Prefix };

/**
 * What a device is, as far as whoever met it can tell: that decides how it is taken away.
 * - `plugin-network`: the bridge of a network of the network plugin's; `network` is the short form of its id
 * - `lost-network`: the same, but the plugin that says so has lost the network, and containers are on it
 * - `other-plugin`: a network of a plugin with another state directory than the one that says so, and so of another engine
 * - `unknown-plugin`: a network of a plugin that does not run, and nobody can tell whether this directory had its state or another
 * - `bridge`: of Docker's, of a CNI plugin or of somebody else
 * - `device`: anything else, which may be a network card
 * - `unknown`: its name is all that is known
 */
export type RivalOwner =
  | {
      readonly kind: "plugin-network" | "lost-network" | "other-plugin" | "unknown-plugin";
      readonly network: string;
    }
  | { readonly kind: "bridge" | "device" | "unknown" };

/**
 * What is wrong and how to mend it, as the end of a sentence.
 * @param otherWay - what mends it as well, without the device being taken away
 */
export function describeRival(rival: LeaseRival, subnet: Ipv4Prefix, otherWay: string | null = null): string {
  const claim = describeClaim(rival.claim, subnet);
  const or = otherWay === null ? "" : `${otherWay}, or `;
  return `device ${escapeUntrusted(rival.device)} has ${claim}, which carries one network; ${or}${removalOf(rival)}`;
}

function describeClaim(claim: RivalClaim, subnet: Ipv4Prefix): string {
  const lease = `this host's lease ${subnet.toString()}`;
  if (claim.kind === "address") return `${claim.address.toString()} of ${lease}`;
  const { destination } = claim;
  return destination.equals(subnet)
    ? `the route to ${lease}`
    : `the route to ${destination.toString()}, which overlaps ${lease}`;
}

/** What takes the device off the lease, or off the host. */
function removalOf({ device, claim, owner }: LeaseRival): string {
  const name = shellWord(device);
  const deletion = `ip link delete dev ${name}`;
  switch (owner.kind) {
    case "plugin-network": {
      const id = shellWord(owner.network);
      return `remove the network plugin's network: docker network rm ${id} (where Docker does not know it: twill docker-plugin --forget ${id}; where neither knows it: ${deletion})`;
    }
    case "lost-network":
      return `remove the containers on network ${owner.network}, which this plugin does not know, or: ${deletion}`;
    case "other-plugin": {
      const id = shellWord(owner.network);
      return `remove the network of another network plugin, with a state directory of its own: docker network rm ${id} at its Docker while that plugin runs, or where they are gone for good: ${deletion}`;
    }
    case "unknown-plugin": {
      const id = shellWord(owner.network);
      return `remove the network of a network plugin whose state directory is not known, as its state was lost or it is another engine's: docker network rm ${id} at the Docker that has it, or where none has it: ${deletion}`;
    }
    case "device":
      return claim.kind === "address"
        ? `take the address away: ip address delete ${claim.address.toString()}/${claim.prefixLength} dev ${name}`
        : `take the route away: ip route delete ${claim.destination.toString()} dev ${name}`;
    case "bridge":
    case "unknown":
      // It makes the bridge again as it was where somebody has deleted it.
      if (device === DOCKER_BRIDGE)
        return "start Docker with a --bip beside the overlay: without one it keeps that of its last start";
      return `remove its network where Docker has one (docker network rm), or once no container needs it: ${deletion}`;
  }
}
