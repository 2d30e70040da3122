/** The iptables programs: one to read all tables, one to change some of one table at once. Never through a shell. */
import { OverlayError } from "../../net/overlay-error.ts";
import { failureText, runProgram } from "../run-program.ts";
import type { Program, ProgramRun } from "../run-program.ts";

/** Which programs: those that PATH calls iptables, or one of the two kinds by its own name. */
export type IptablesName = "iptables" | "iptables-nft" | "iptables-legacy";

/**
 * Seconds to wait for another program that holds the lock of the legacy variant, /run/xtables.lock. A few times what a
 * large ruleset takes to load; the keeper tries again, and the next audit too.
 */
const LOCK_WAIT_SECONDS = "2";
/** More than the wait for the lock, so that the program can tell what it waited for. */
const IPTABLES_DEADLINE_MS = 10_000;

/** What a version of iptables can do. */
export interface IptablesVersion {
  /** Over nf_tables or over the kernel's own old tables; both can stand side by side, with different rules. */
  readonly variant: "nft" | "legacy";
  /** Knows `--random-fully`, and `--wait` of iptables-restore: both came with 1.6.2. */
  readonly isSince162: boolean;
}

/** Reads and changes the IPv4 tables of this process's network namespace. */
export interface IptablesCommand extends IptablesVersion {
  /**
   * What `iptables-save` prints of the tables that there are. Never asks for one by its name: the legacy variant
   * would make it.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the program's text
   */
  save(signal: AbortSignal): Promise<string>;
  /**
   * Changes what the text names and leaves the rest; each table is one transaction.
   * @throws {OverlayError} `ERR_KERNEL_FAILED` with the program's text
   */
  restore(text: string, signal: AbortSignal): Promise<void>;
}

/**
 * Finds out the version of the programs of this name.
 * @throws {OverlayError} `ERR_KERNEL_FAILED` when they are not installed or too old to tell
 */
export async function createIptablesCommand(
  name: IptablesName,
  signal: AbortSignal,
): Promise<IptablesCommand> {
  const version = parseIptablesVersion(await run(name, ["--version"], "", signal));
  if (version === null) {
    throw new OverlayError(
      "ERR_KERNEL_FAILED",
      `Cannot use ${name}: its version is unknown, install iptables 1.4.20 or newer`,
    );
  }
  const wait = version.isSince162 ? ["--wait", LOCK_WAIT_SECONDS] : [];
  return {
    ...version,
    save: (saveSignal) => saveTables(name, saveSignal),
    async restore(text, restoreSignal) {
      await run(`${name}-restore`, ["--noflush", ...wait], text, restoreSignal);
    },
  };
}

/** What `iptables-save` of this name prints, of the tables that there are. */
export async function saveTables(name: IptablesName, signal: AbortSignal): Promise<string> {
  return await run(`${name}-save`, [], "", signal);
}

/** Reads `iptables v1.8.9 (nf_tables)`, or gives null. Before 1.8 there was one kind, and the output names none. */
export function parseIptablesVersion(text: string): IptablesVersion | null {
  const match = /^iptables v(\d+)\.(\d+)\.(\d+)(?: \((\w+)\))?/.exec(text);
  if (match === null) return null;
  const [major = 0, minor = 0, patch = 0] = match.slice(1, 4).map(Number);
  return {
    variant: match[4] === "nf_tables" ? "nft" : "legacy",
    isSince162: major > 1 || (major === 1 && (minor > 6 || (minor === 6 && patch >= 2))),
  };
}

async function run(
  program: string,
  args: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<string> {
  const done = await runProgram(iptablesProgram(program), args, input, signal);
  if (done.error !== null) throw failure(program, args, done);
  return done.stdout;
}

function iptablesProgram(program: string): Program {
  return { program, packageName: "iptables", deadlineMs: IPTABLES_DEADLINE_MS };
}

function failure(program: string, args: readonly string[], done: ProgramRun): OverlayError {
  const whole = done.stderr.trim().replaceAll(/\s*\n\s*/g, " "); // the nft variant breaks its one sentence in two
  const text = whole === "" ? failureText(done) : whole;
  return new OverlayError("ERR_KERNEL_FAILED", `Cannot run ${[program, ...args].join(" ")}: ${text}`);
}
