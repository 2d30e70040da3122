/** The rows of a benchmark: ways to carry the same packets between the same pods, and the order they are measured in. */
import { OverlayError } from "../net/overlay-error.ts";

/** One way to carry packets. */
export interface BenchRow {
  readonly name: string;
  /**
   * `twill agent`, flanneld, routes by hand and nothing else, or what flanneld sets up in the kernel, by hand: routes or a
   * vxlan device, and the forward rules it makes by default.
   */
  readonly kind: "agent" | "flannel" | "routes" | "flannel-routes" | "flannel-vxlan";
  /** Type in the network config, of the agent or of the flannel that the row stands for. */
  readonly backend: "udp" | "vxlan" | "host-gw";
  /** Flags of the agent. */
  readonly flags: readonly string[];
  /** The program: flanneld, or another build of twill; null for this one. */
  readonly program: string | null;
  /** The row that does the same work in another way, to compare with; null where there is none. */
  readonly reference: string | null;
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
  /** Whether this kernel makes vxlan devices; without them the rows that need one are left out. */
  readonly hasKernelVxlan: boolean;
  readonly programs: readonly OtherProgram[];
}

/** The row that the others are compared with: no encapsulation, no user space. */
export const BASELINE_ROW = "routes";
export const FLANNEL_ROW = "flannel";
const FLANNEL_ROUTES_ROW = "flannel-host-gw";
const FLANNEL_VXLAN_ROW = "flannel-vxlan";
const VXLAN_KERNEL_ROW = "vxlan-kernel";
const NEEDS_VXLAN: readonly string[] = [FLANNEL_VXLAN_ROW, VXLAN_KERNEL_ROW];

/** Names that a table and a file name take. */
const ROW_NAME = /^[a-z0-9][a-z0-9.-]{0,23}$/;

/** Every row of the choice, in order. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function planRows(choice: RowChoice): BenchRow[] {
  const rows = possibleRows(choice);
  const names = rows.map((one) => one.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw unusable(`--program ${twice}`, "there is a row of that name");
  return [...new Set(choice.names ?? names)].map((name) => {
    const found = rows.find((one) => one.name === name);
    if (found !== undefined) return found;
    throw unusable(`--rows ${JSON.stringify(name)}`, `the rows are ${names.join(", ")}${hintFor(name)}`);
  });
}

function hintFor(name: string): string {
  if (name === FLANNEL_ROW) return "; that one needs --flanneld";
  return NEEDS_VXLAN.includes(name) ? "; that one needs vxlan devices, which this kernel does not make" : "";
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

function possibleRows({ queues, flanneld, hasKernelVxlan, programs }: RowChoice): BenchRow[] {
  const native = ["--engine=native", ...(queues === null ? [] : [`--queues=${queues}`])];
  const rows: BenchRow[] = [
    row({ name: BASELINE_ROW, kind: "routes", backend: "host-gw" }),
    row({ name: FLANNEL_ROUTES_ROW, kind: "flannel-routes", backend: "host-gw" }),
    row({ name: "host-gw", backend: "host-gw", reference: FLANNEL_ROUTES_ROW }),
    row({ name: FLANNEL_VXLAN_ROW, kind: "flannel-vxlan", backend: "vxlan" }),
    row({
      name: VXLAN_KERNEL_ROW,
      backend: "vxlan",
      flags: ["--datapath=kernel"],
      reference: FLANNEL_VXLAN_ROW,
    }),
    row({ name: "native", flags: native }),
    row({ name: "vxlan", backend: "vxlan", flags: native, reference: "native" }),
    row({ name: "native-no-offload", flags: [...native, "--offload=off"] }),
    row({ name: "dgram", flags: ["--engine=dgram"] }),
    ...programs.map(({ name, path }) => row({ name, program: path })),
    ...(flanneld === null ? [] : [row({ name: FLANNEL_ROW, kind: "flannel", program: flanneld })]),
  ];
  return rows.filter(({ name }) => hasKernelVxlan || !NEEDS_VXLAN.includes(name));
}

/** A row with what is usual: the agent of this checkout, with udp. */
function row(given: Partial<BenchRow> & Pick<BenchRow, "name">): BenchRow {
  return { kind: "agent", backend: "udp", flags: [], program: null, reference: null, ...given };
}

function unusable(what: string, problem: string): OverlayError {
  return new OverlayError("ERR_OPTION_INVALID", `Cannot use ${what}: ${problem}`);
}
