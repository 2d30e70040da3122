/** The figures as tables for people: medians, their spread, and ratios within one repeat. */
import { countOf } from "../../lab/show/count-of.ts";
import { formatTable } from "../../lab/show/format-table.ts";
import type { BenchRow } from "../bench-rows.ts";
import type { BenchResult, RowMeasurement, TcpRun, UdpRun } from "../bench-result.ts";
import { BASELINE_ROW, FLANNEL_ROW } from "../bench-rows.ts";
import type { MachineFacts } from "../machine-facts.ts";
import { medianRatio, spreadOf } from "../statistics.ts";

/** One figure of a measurement, in the unit that it is shown in. */
interface Figure {
  readonly title: string;
  readonly decimals: number;
  /** Null where it was not measured. */
  of(measurement: RowMeasurement): number | null;
}

const GIGA = 1e9;
const KILO = 1e3;
/** Load above which the figures of a run say more about its neighbours. */
const BUSY_PER_CORE = 0.25;

const FIGURES: readonly Figure[] = [
  { title: "TCP, 1 stream (Gbit/s)", decimals: 2, of: (m) => gigabits(m.tcpOneStream) },
  { title: "TCP, 4 streams (Gbit/s)", decimals: 2, of: (m) => gigabits(m.tcpFourStreams) },
  { title: "UDP, 64 bytes, delivered (kpps)", decimals: 1, of: (m) => kilopackets(m.udpSmall) },
  { title: "UDP, full size, delivered (kpps)", decimals: 1, of: (m) => kilopackets(m.udpFull) },
  { title: "round trip, average (us)", decimals: 0, of: (m) => m.latency?.averageMicros ?? null },
  { title: "round trip, p50 (us)", decimals: 0, of: (m) => m.latency?.p50Micros ?? null },
  { title: "round trip, p99 (us)", decimals: 0, of: (m) => m.latency?.p99Micros ?? null },
  { title: "CPU, TCP 1 stream (s/Gbit)", decimals: 3, of: (m) => m.tcpOneStream?.cpuSecondsPerGbit ?? null },
  {
    title: "CPU, TCP 4 streams (s/Gbit)",
    decimals: 3,
    of: (m) => m.tcpFourStreams?.cpuSecondsPerGbit ?? null,
  },
];

/** Every table. */
export function formatResult(result: BenchResult): string {
  const { machine, settings, measurements } = result;
  const names = settings.rows.map((row) => row.name);
  // Of each row the repeats come in their order, so the first values of two rows are of the same repeat.
  const byRow = new Map(names.map((name) => [name, measurements.filter((one) => one.row === name)]));
  const about = `${countOf(machine.cores, "core")}, ${machine.cpuModel}, kernel ${machine.kernel}, load ${machine.loadAverage1Min.toFixed(1)} before; ${countOf(settings.repeats, "repeat")} of ${settings.secondsPerRun} s each run\n`;
  return [
    about + formatMtus(measurements),
    ...FIGURES.filter((figure) => measurements.some((one) => figure.of(one) !== null)).map((figure) =>
      formatFigure(figure, settings.rows, byRow),
    ),
    ...formatLedgers(measurements),
    formatOthers(measurements),
  ].join("\n");
}

/** One line when a row has been measured once. */
export function formatProgress(measurement: RowMeasurement, repeats: number): string {
  const { row, repeat, tcpOneStream, tcpFourStreams, udpSmall, latency } = measurement;
  const [tcp, pps] = [gigabits(tcpOneStream ?? tcpFourStreams), kilopackets(udpSmall)];
  const figures = [
    ...(tcp === null ? [] : [`TCP ${tcp.toFixed(2)} Gbit/s`]),
    ...(pps === null ? [] : [`${pps.toFixed(1)} kpps`]),
    ...(latency === null ? [] : [`${latency.averageMicros.toFixed(0)} us`]),
  ];
  return `repeat ${repeat} of ${repeats}, ${row}: ${figures.join(", ")}\n`;
}

/** A line when the machine had work before the first run; empty when it was idle. */
export function warnWhenBusy({ cores, loadAverage1Min }: MachineFacts): string {
  if (loadAverage1Min < BUSY_PER_CORE * cores) return "";
  const load = loadAverage1Min.toFixed(1);
  return `The machine is busy: load ${load} on ${countOf(cores, "core")}. Ratios hold better than figures; repeat it when it is idle.\n`;
}

/** Datagrams of all UDP runs that no counter explains. */
export function unaccountedIn({ measurements }: Pick<BenchResult, "measurements">): number {
  return measurements
    .flatMap(({ udpSmall, udpFull }) => [udpSmall, udpFull])
    .reduce((sum, run) => sum + (run?.ledger.unaccounted ?? 0), 0);
}

/** The MTU of each row's pods, one line. */
function formatMtus(measurements: readonly RowMeasurement[]): string {
  const rowsByMtu = new Map<number, Set<string>>();
  for (const { overlayMtu, row } of measurements) {
    rowsByMtu.set(overlayMtu, (rowsByMtu.get(overlayMtu) ?? new Set()).add(row));
  }
  return `overlay MTU ${[...rowsByMtu].map(([mtu, rows]) => `${mtu}: ${[...rows].join(", ")}`).join("; ")}\n`;
}

function formatFigure(
  figure: Figure,
  planned: readonly BenchRow[],
  byRow: ReadonlyMap<string, readonly RowMeasurement[]>,
): string {
  const references = new Map(planned.map(({ name, reference }) => [name, reference]));
  const values = new Map(
    [...byRow].map(([row, measured]) => [row, measured.flatMap((one) => figure.of(one) ?? [])]),
  );
  const baselines = [BASELINE_ROW, FLANNEL_ROW].filter((name) => values.has(name));
  const rows = [...values].map(([row, own]) => {
    const { median, min, max } = spreadOf(own);
    const [shown, low, high] = [median, min, max].map((value) => value.toFixed(figure.decimals));
    const ratios = baselines.map((name) => formatRatio(medianRatio(own, values.get(name) ?? [])));
    const beside = formatReference(own, references.get(row) ?? null, values);
    return [`  ${row}`, shown ?? "", `${low ?? ""} to ${high ?? ""}`, ...ratios, beside];
  });
  const titles = baselines.map((name) => `/ ${name}`);
  const last = rows.some((cells) => cells.at(-1) !== "") ? "/ its like" : "";
  return formatTable([[figure.title, "median", "spread", ...titles, last], ...rows]);
}

/** The ratio to the row that does the same work in another way, and its name; nothing where there is none. */
function formatReference(
  own: readonly number[],
  reference: string | null,
  values: ReadonlyMap<string, readonly number[]>,
): string {
  const others = reference === null ? undefined : values.get(reference);
  return others === undefined ? "" : `${formatRatio(medianRatio(own, others))} of ${reference ?? ""}`;
}

function gigabits(run: TcpRun | null): number | null {
  return run === null ? null : run.bitsPerSecond / GIGA;
}

function kilopackets(run: UdpRun | null): number | null {
  return run === null ? null : run.deliveredPerSecond / KILO;
}

function formatRatio(ratio: number | null): string {
  return ratio === null ? "-" : ratio.toPrecision(3);
}

/** One table, or none where there was no UDP. */
function formatLedgers(measurements: readonly RowMeasurement[]): string[] {
  const rows = measurements.flatMap((measurement) => [
    ...formatLedger(measurement, "64 bytes", measurement.udpSmall),
    ...formatLedger(measurement, "full size", measurement.udpFull),
  ]);
  const header = ["UDP, datagrams", "repeat", "size", "sent", "received", "unaccounted", "dropped"];
  return rows.length === 0 ? [] : [formatTable([header, ...rows])];
}

/** One line, or none where there was no such run. */
function formatLedger({ row, repeat }: RowMeasurement, size: string, run: UdpRun | null): string[][] {
  if (run === null) return [];
  const { sent, received, unaccounted, drops } = run.ledger;
  const dropped = drops.map(({ where, packets }) => `${packets} ${where}`).join("; ");
  return [[`  ${row}`, `${repeat}`, size, `${sent}`, `${received}`, `${unaccounted}`, dropped || "none"]];
}

/** What else a reader must know: unanswered pings, packets missing in the tunnel. Nothing when there is neither. */
function formatOthers(measurements: readonly RowMeasurement[]): string {
  const lines = measurements.flatMap((measurement) => {
    const { tcpOneStream, tcpFourStreams, latency } = measurement;
    const missing = [tcpOneStream, tcpFourStreams, latency].reduce(
      (sum, run) => sum + (run?.ledger?.unaccounted ?? 0),
      0,
    );
    const { sent, answered } = latency ?? { sent: 0, answered: 0 };
    return [
      ...(answered < sent ? [`${sent - answered} of ${sent} pings without an answer`] : []),
      ...(missing > 0 ? [`${missing} packets of TCP or ping unaccounted for in the tunnel`] : []),
    ].map((text) => `${measurement.row}, repeat ${measurement.repeat}: ${text}\n`);
  });
  return lines.join("");
}
