/** The rows of a benchmark: ways to carry the same packets between the same pods, and the order they are measured in. */
import { OverlayError } from "../net/overlay-error.ts";

/** One way to carry packets. */
export interface BenchRow {
  readonly name: string;
  /** Plain kernel routes, `twill agent`, or flanneld. */
  readonly kind: "routes" | "agent" | "flannel";
  /** Flags of the agent. */
  readonly flags: readonly string[];
  /** The program: flanneld, or another build of twill; null for this one. */
  readonly program: string | null;
}

/** Another build of twill that gets a row. */
export interface OtherProgram {
  readonly name: string;
  readonly path: string;
}

/** What decides about the rows. */
export interface RowChoice {
  /** Names in the order of the table; null: every row there is. */
  readonly names: readonly string[] | null;
  /** `--queues` of the native engine; null: its own choice. */
  readonly queues: number | null;
  /** Path of flanneld; null: no row for it. */
  readonly flanneld: string | null;
  readonly programs: readonly OtherProgram[];
}

/** The row that the others are compared with: no encapsulation, no user space. */
export const BASELINE_ROW = "routes";
export const FLANNEL_ROW = "flannel";

/** Names that a table and a file name take. */
const ROW_NAME = /^[a-z0-9][a-z0-9.-]{0,23}$/;

/** Every row of the choice, in order. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function planRows(choice: RowChoice): BenchRow[] {
  const rows = possibleRows(choice);
  const names = rows.map((row) => row.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw unusable(`--program ${twice}`, "there is a row of that name");
  return [...new Set(choice.names ?? names)].map((name) => {
    const row = rows.find((one) => one.name === name);
    if (row !== undefined) return row;
    const hint = name === FLANNEL_ROW ? "; that one needs --flanneld" : "";
    throw unusable(`--rows ${JSON.stringify(name)}`, `the rows are ${names.join(", ")}${hint}`);
  });
}

/** Reads `NAME=PATH`. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function parseOtherProgram(text: string): OtherProgram {
  const split = text.indexOf("=");
  const [name, path] = [text.slice(0, Math.max(split, 0)), text.slice(split + 1)];
  if (ROW_NAME.test(name) && path.startsWith("/")) return { name, path };
  throw unusable(
    `--program ${JSON.stringify(text)}`,
    "need NAME=PATH, NAME of up to 24 of a-z, 0-9, dot and -, PATH absolute",
  );
}

/**
 * The order within one repeat, counted from 0: forwards, then backwards, and so on. What drifts over the run, as
 * the heat of the machine, then weighs on every row alike.
 */
export function orderOfRepeat<T>(rows: readonly T[], repeat: number): readonly T[] {
  return repeat % 2 === 0 ? rows : rows.toReversed();
}

function possibleRows({ queues, flanneld, programs }: RowChoice): BenchRow[] {
  const queueFlags = queues === null ? [] : [`--queues=${queues}`];
  return [
    { name: BASELINE_ROW, kind: "routes", flags: [], program: null },
    agentRow("native", ["--engine=native", ...queueFlags]),
    agentRow("native-no-offload", ["--engine=native", "--offload=off", ...queueFlags]),
    agentRow("dgram", ["--engine=dgram"]),
    ...programs.map(({ name, path }) => agentRow(name, [], path)),
    ...(flanneld === null
      ? []
      : [{ name: FLANNEL_ROW, kind: "flannel", flags: [], program: flanneld } as const]),
  ];
}

function agentRow(name: string, flags: readonly string[], program: string | null = null): BenchRow {
  return { name, kind: "agent", flags, program };
}

function unusable(what: string, problem: string): OverlayError {
  return new OverlayError("ERR_OPTION_INVALID", `Cannot use ${what}: ${problem}`);
}
