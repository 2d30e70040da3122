/**
 * A stretch of the way, between two points that count every packet. What the first counts and the second does not was
 * lost between them, and the kernel must have counted a drop there. It counts a merged packet (GSO, GRO) as one, so
 * where merging is possible one drop may stand for several packets.
 */
import { deviceOf, protocolOf } from "./snapshot.ts";
import type { NamespaceCounters } from "./snapshot.ts";

/** Packets that ended at one place. */
export interface Drop {
  readonly where: string;
  readonly packets: number;
}

/** Where the packets of one run ended: `sent` is `received`, the drops and `unaccounted`. */
export interface Ledger {
  readonly sent: number;
  readonly received: number;
  /** Those that are not 0, in the order of the way. */
  readonly drops: readonly Drop[];
  /** Packets that no counter explains, lost or too many, over all parts of the way. */
  readonly unaccounted: number;
}

/** Part of the way between two points that count every packet. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  /** Drops on it, by the place that counted them. */
  readonly counted: readonly Drop[];
  /** The most packets that one of these may stand for; 1 where nothing is merged. */
  readonly mostPerDrop: number;
}

/** What became of the packets of some stretches. */
export type Settlement = Pick<Ledger, "drops" | "unaccounted">;

/** The sum of several settlements. What one has too few of never makes up for what another has too many of. */
export function addUp(settlements: readonly Settlement[]): Settlement {
  return {
    drops: settlements.flatMap(({ drops }) => drops).filter(({ packets }) => packets !== 0),
    unaccounted: settlements.reduce((sum, { unaccounted }) => sum + unaccounted, 0),
  };
}

/**
 * Splits what was lost on a stretch among the places that counted a drop. With merging the number of packets is
 * known for the stretch as a whole only, and goes to the place that counted most.
 */
export function settle({ from, to, counted, mostPerDrop }: Stretch): Settlement {
  const least = counted.reduce((sum, { packets }) => sum + packets, 0);
  const lost = from - to;
  const explained = clamp(lost, least, least * mostPerDrop);
  const top = counted.toSorted((a, b) => b.packets - a.packets)[0];
  const drops = counted.map((drop) =>
    drop === top ? { ...drop, packets: drop.packets + explained - least } : drop,
  );
  return { drops, unaccounted: Math.abs(lost - explained) };
}

/** `value`, or the nearer bound when it is outside of them. */
export function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}

/** What IP dropped on its own account. Without OutDiscards: it counts there what a device's backlog counts, too. */
export function ipDrop(counters: NamespaceCounters, where: string): Drop {
  const names = ["InHdrErrors", "InAddrErrors", "InDiscards", "OutNoRoutes"];
  return { where, packets: names.reduce((sum, name) => sum + protocolOf(counters, `Ip.${name}`), 0) };
}

/** One counter of a protocol. */
export function protocolDrop(counters: NamespaceCounters, where: string, name: string): Drop {
  return { where, packets: protocolOf(counters, name) };
}

/**
 * One counter of a device. Of a veth pair the receiving end is asked: what its full backlog drops, the sending end counts as
 * well.
 */
export function deviceDrop(
  counters: NamespaceCounters,
  where: string,
  device: string,
  direction: "rxDropped" | "txDropped",
): Drop {
  return { where, packets: deviceOf(counters, device)[direction] };
}
