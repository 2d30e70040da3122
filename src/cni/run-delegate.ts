/** Running the plugin that does the work, as a runtime would: same variables, configuration on standard input. */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { showUntrusted } from "../net/untrusted-text.ts";
import { CNI_CODE, CniError } from "./cni-error.ts";
import { isJsonObject } from "./network-config.ts";
import type { DelegateConfig } from "./plan-delegate.ts";
import { readPluginDirectories } from "./plugin-request.ts";
import type { Environment } from "./plugin-request.ts";

/** What a delegate is asked for. */
export type DelegateCommand = "ADD" | "CHECK" | "DEL";

/** `bridge` takes milliseconds, address management by DHCP some seconds; longer than this it is stuck. */
const DEADLINE_MS = 120_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;
const MAY_BE_RUN = 0o111;
const WHAT: Readonly<Record<DelegateCommand, string>> = { ADD: "attach", CHECK: "check", DEL: "detach" };

/** Where a plugin is: the first file of its name that may be run. @throws {CniError} 4 when there is none */
export function findPlugin(name: string, directories: readonly string[]): string {
  const found = directories.map((directory) => join(directory, name)).find(isProgram);
  if (found !== undefined) return found;
  throw new CniError(
    CNI_CODE.environmentInvalid,
    `Cannot run the plugin ${showUntrusted(name)}: it is in none of the directories of CNI_PATH (${directories.map(showUntrusted).join(", ")}); Debian has it in package containernetworking-plugins, in /usr/lib/cni, so name that directory in CNI_PATH or link the plugins into one that is`,
  );
}

/**
 * Runs the delegate to its end and gives what it printed. What it logs goes to our standard error.
 * @throws {CniError} with the delegate's own number and words when it failed
 */
export function runDelegate(command: DelegateCommand, delegate: DelegateConfig, env: Environment): string {
  const program = findPlugin(delegate.type, readPluginDirectories(env));
  const run = spawnSync(program, [], {
    env: { ...env, CNI_COMMAND: command },
    input: JSON.stringify(delegate),
    stdio: ["pipe", "pipe", "inherit"],
    encoding: "utf8",
    timeout: DEADLINE_MS,
    killSignal: "SIGKILL",
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  if (run.status === 0) return run.stdout;
  throw delegateError(command, delegate.type, run);
}

/** How a run of a program ended that was no success. */
interface FailedRun {
  /** Null when it was killed, or never ran. */
  readonly status: number | null;
  readonly stdout: string | null;
  readonly signal: string | null;
  /** What Node.js says about it, as ETIMEDOUT. */
  readonly error?: Error | undefined;
}

/** The error for a delegate that failed: its own words if it had any, its number, and advice where we have some. */
export function delegateError(command: DelegateCommand, type: string, run: FailedRun): CniError {
  const what = `Cannot ${WHAT[command]} the container`;
  const said = parseError(run.stdout ?? "");
  if (run.status !== null && said !== null) {
    const { code, msg, details } = said;
    return new CniError(code, `${what}: ${type}: ${msg}${adviceFor(msg)}`, { details });
  }
  const how =
    run.status !== null
      ? `exit status ${run.status} without a reason, see what it logged`
      : (run.error?.message ?? `killed by ${run.signal ?? "a signal"}`);
  return new CniError(CNI_CODE.failed, `${what}: ${type}: ${how}`, { cause: run.error });
}

/** What to do about words of `bridge` that name the state but not the way out. */
function adviceFor(msg: string): string {
  if (!msg.includes("already has an IP address different from")) return "";
  return '; an earlier lease or another network has this bridge: give the network one of its own with "delegate": {"bridge": NAME}, or remove the old one once no container needs it (ip link del)';
}

interface SaidError {
  readonly code: number;
  readonly msg: string;
  readonly details: string | undefined;
}

/** The error that a plugin printed, or null when it is none. */
function parseError(stdout: string): SaidError | null {
  try {
    const value: unknown = JSON.parse(stdout);
    if (!isJsonObject(value)) return null;
    const { code, msg, details } = value;
    if (typeof code !== "number" || typeof msg !== "string") return null;
    return { code, msg, details: typeof details === "string" && details !== "" ? details : undefined };
  } catch {
    return null;
  }
}

function isProgram(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFile() && (stats.mode & MAY_BE_RUN) !== 0;
  } catch {
    return false; // not there, or out of reach: the next directory may have it
  }
}
