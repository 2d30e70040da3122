import type { ForwardingEntry } from "./forwarding-table.ts";
import type { PacketEngine, PeerCounters } from "./packet-engine.ts";
import { peerCountersBy, peerKeyOf } from "./peer-counters.ts";

type Counts = Readonly<Record<string, number>>;
/** The part of an engine that counts. */
type CountingEngine = Pick<PacketEngine, "readCounters" | "readPeerCounters">;

/** Counters of engines that come and go, as if they were one: what was lost with an engine stays counted. */
export class CounterSums {
  #past: Counts = {};
  #pastPeers: ReadonlyMap<string, PeerCounters> = new Map();

  /** Takes over what a closed engine has counted. */
  add(engine: CountingEngine): void {
    this.#past = addCounts(this.#past, engine.readCounters());
    this.#pastPeers = new Map(this.readPeers(engine).map((peer) => [peerKeyOf(peer), peer]));
  }

  /** Forgets every peer that is not among these: one that comes back begins at zero, as it does in an engine. */
  keepPeers(peers: readonly ForwardingEntry[]): void {
    const keys = new Set(peers.map(peerKeyOf));
    this.#pastPeers = new Map([...this.#pastPeers].filter(([key]) => keys.has(key)));
  }

  /** The sums with those of the engine that is open, or null when none is. */
  read(engine: CountingEngine | null): Counts {
    return addCounts(this.#past, engine?.readCounters() ?? {});
  }

  /** Of each peer of the open engine; without one, of each that the last one had. */
  readPeers(engine: CountingEngine | null): readonly PeerCounters[] {
    if (engine === null) return [...this.#pastPeers.values()];
    return engine.readPeerCounters().map((peer) => addPeer(peer, this.#pastPeers.get(peerKeyOf(peer))));
  }
}

function addPeer(peer: PeerCounters, past: PeerCounters | undefined): PeerCounters {
  if (past === undefined) return peer;
  return { ...peer, ...peerCountersBy((name) => peer[name] + past[name]) };
}

function addCounts(a: Counts, b: Counts): Counts {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}
