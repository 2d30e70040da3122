/** Whether an agent may forward before etcd answers, from what its last run wrote down: a pure decision. */
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import type { CachedState } from "../../peers/cached-state.ts";
import type { LoadedCache } from "../../peers/peer-cache.ts";
import { assertCarried, parseNetworkConfig } from "../../subnet-lease/network-config.ts";
import type { NetworkConfig } from "../../subnet-lease/network-config.ts";

export type StartDecision =
  /** Forward at once: the lease of the last run has not ended, as far as this host's clock can tell. */
  | {
      readonly kind: "cached";
      readonly config: NetworkConfig;
      readonly subnet: Ipv4Prefix;
      readonly state: CachedState;
    }
  /** Ask etcd first; `reason` is null when there is nothing to remember. */
  | { readonly kind: "cold"; readonly reason: string | null };

/** Looks at the cache at this wall-clock time, for leases under this etcd prefix. */
export function decideStart(cache: LoadedCache, etcdPrefix: string, nowWallMs: number): StartDecision {
  const { state } = cache;
  if (state === null) return { kind: "cold", reason: cache.problem };
  if (state.etcdPrefix !== etcdPrefix) return cold("it is of another etcd prefix");
  if (state.ownLease === null) return cold("it has no lease of this node");
  const { subnet, expiresAtWallMs } = state.ownLease;
  if (expiresAtWallMs !== null && expiresAtWallMs <= nowWallMs) return cold("its lease has ended");
  const config = readConfig(state.networkConfig);
  if (config === null) return cold("its network config is not valid");
  if (!config.network.containsPrefix(subnet)) return cold("its lease is outside of its network");
  return { kind: "cached", config, subnet, state };
}

function cold(reason: string): StartDecision {
  return { kind: "cold", reason };
}

function readConfig(text: string): NetworkConfig | null {
  try {
    const config = parseNetworkConfig(text);
    assertCarried(config);
    return config;
  } catch {
    return null; // written by another version; etcd has the one that counts
  }
}
