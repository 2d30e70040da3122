/**
 * Counts what must never be: packets on the underlay with an overlay address outside. The chain sees every
 * packet that enters the underlay's bridge from a host, wherever it is bound.
 */
import { OverlayError } from "../../net/overlay-error.ts";
import type { Namespace } from "./namespace.ts";

/** Packets in clear on the underlay, by the direction they went. No packet is in both. */
export interface LeakedPackets {
  /** Outer source within the overlay network. */
  readonly fromOverlay: number;
  /** Outer destination within it, source outside. */
  readonly toOverlay: number;
}

const TABLE = "twill_lab";

/** Text of the nftables rules that count packets of `network` in clear. */
function leakCounterRules(network: string): string {
  return `table bridge ${TABLE} {
  counter from_overlay { }
  counter to_overlay { }
  chain watch {
    type filter hook prerouting priority -300; policy accept;
    ip saddr ${network} counter name "from_overlay" return
    ip daddr ${network} counter name "to_overlay" return
  }
}
`;
}

/** Reads what `nft -j list counters` prints, or gives null when a counter is missing. */
export function parseLeakCounters(json: string): LeakedPackets | null {
  const packets = new Map<string, number>();
  const found = JSON.parse(json) as { nftables?: { counter?: { name?: unknown; packets?: unknown } }[] };
  for (const { counter } of found.nftables ?? []) {
    if (typeof counter?.name === "string" && typeof counter.packets === "number") {
      packets.set(counter.name, counter.packets);
    }
  }
  const fromOverlay = packets.get("from_overlay");
  const toOverlay = packets.get("to_overlay");
  return fromOverlay === undefined || toOverlay === undefined ? null : { fromOverlay, toOverlay };
}

/** Starts counting on the bridges of a namespace. */
export async function installLeakCounter(
  underlay: Namespace,
  network: string,
  signal?: AbortSignal,
): Promise<void> {
  await underlay.execChecked(["nft", "-f", "-"], { stdin: leakCounterRules(network), signal });
}

/** Packets counted so far. @throws {OverlayError} `ERR_LAB_FAILED` when nobody counts */
export async function readLeakCounter(underlay: Namespace): Promise<LeakedPackets> {
  const json = await underlay.execChecked(["nft", "-j", "list", "counters", "table", "bridge", TABLE]);
  const leaked = parseLeakCounters(json);
  if (leaked === null)
    throw new OverlayError("ERR_LAB_FAILED", `Cannot read the leak counter in ${underlay.name}`);
  return leaked;
}
