/** The table that `twill bench hosts` prints, read back. */

/** One peer on one path. */
export interface BenchTableRow {
  readonly peer: string;
  readonly path: string;
  readonly gigabitsPerSecond: number;
  /** Null where the row leaves it out, as the underlay's does. */
  readonly percentOfUnderlay: number | null;
  readonly roundTripMs: number;
  /** `0 of 200` */
  readonly lostPings: string;
}

const TITLES = /^PEER +PATH +TCP, 1 STREAM +OF UNDERLAY +ROUND TRIP +PINGS LOST$/;
const ROW = /^(\S+) +(underlay|overlay) +([\d.]+) Gbit\/s +(?:(\d+)% +)?([\d.]+) ms +(\d+ of \d+)$/;

/** Reads it. @throws {Error} when a line is not as it must be */
export function parseBenchTable(text: string): BenchTableRow[] {
  const [titles = "", ...lines] = text.split("\n");
  if (!TITLES.test(titles)) throw new Error(`No titles of a table: ${titles}`);
  return lines.map((line) => {
    const [, peer = "", path = "", gigabits = "", percent, time = "", lostPings = ""] = ROW.exec(line) ?? [];
    if (peer === "") throw new Error(`No row of a table: ${line}`);
    return {
      ...{ peer, path, lostPings },
      gigabitsPerSecond: Number(gigabits),
      percentOfUnderlay: percent === undefined ? null : Number(percent),
      roundTripMs: Number(time),
    };
  });
}
