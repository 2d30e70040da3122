/** What was measured between hosts, as a table for people. */
import { formatTable } from "../../lab/show/format-table.ts";
import { median, medianRatio } from "../statistics.ts";
import type { HostPair, HostRun, Path } from "./hosts-bench.ts";

const GIGA = 1e9;
const TITLES = ["PEER", "PATH", "TCP, 1 STREAM", "OF UNDERLAY", "ROUND TRIP", "PINGS LOST"];

/** Medians over the repeats; the ratio is that of turns that followed each other. */
export function formatHosts(runs: readonly HostRun[]): string {
  const peers = [...new Set(runs.map(({ peer }) => peer))];
  return formatTable([
    TITLES,
    ...peers.flatMap((peer) => [row(runs, peer, "underlay"), row(runs, peer, "overlay")]),
  ]);
}

/** One turn in one line. */
export function formatRun({ peer, path, bitsPerSecond }: HostRun): string {
  return `${peer.subnet} ${path}: TCP ${gigabits(bitsPerSecond)}\n`;
}

function row(runs: readonly HostRun[], peer: HostPair, path: Path): string[] {
  const own = runsOn(runs, peer, path);
  const rates = own.map(({ bitsPerSecond }) => bitsPerSecond);
  const baseline = runsOn(runs, peer, "underlay").map(({ bitsPerSecond }) => bitsPerSecond);
  const ratio = path === "underlay" ? null : medianRatio(rates, baseline);
  const times = own.map(({ roundTripMs }) => roundTripMs).filter((time) => time !== null);
  return [
    peer.subnet,
    path,
    gigabits(median(rates)),
    ratio === null ? "" : `${Math.round(ratio * 100)}%`,
    times.length === 0 ? "none" : `${median(times).toFixed(3)} ms`,
    `${sum(own, "lostPings")} of ${sum(own, "pings")}`,
  ];
}

function runsOn(runs: readonly HostRun[], peer: HostPair, path: Path): HostRun[] {
  return runs.filter((run) => run.peer === peer && run.path === path);
}

function sum(runs: readonly HostRun[], count: "pings" | "lostPings"): number {
  return runs.reduce((total, run) => total + run[count], 0);
}

function gigabits(bitsPerSecond: number): string {
  return `${(bitsPerSecond / GIGA).toFixed(2)} Gbit/s`;
}
