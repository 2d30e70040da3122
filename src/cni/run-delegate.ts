/** Running the plugin that does the work, as a runtime would: same variables, configuration on standard input. */
import { showUntrusted } from "../net/untrusted-text.ts";
import { callPlugin } from "./call/call-plugin.ts";
import type { PluginAnswer } from "./call/call-plugin.ts";
import { findPlugin } from "./call/find-plugin.ts";
import { parsePluginError } from "./call/parse-plugin-error.ts";
import { CNI_CODE, CniError } from "./cni-error.ts";
import type { DelegateConfig } from "./plan-delegate.ts";
import { readPluginDirectories } from "./plugin-request.ts";
import type { Environment } from "./plugin-request.ts";

/** What a delegate is asked for. */
export type DelegateCommand = "ADD" | "CHECK" | "DEL";

/**
 * How long the delegates of one call may take together. `bridge` takes milliseconds and waits at most 3 s for its port,
 * address management by DHCP some seconds; longer than this one is stuck.
 */
export const DELEGATES_DEADLINE_MS = 60_000;

const WHAT: Readonly<Record<DelegateCommand, string>> = { ADD: "attach", CHECK: "check", DEL: "detach" };

/** Where a delegate is, among the directories of CNI_PATH. @throws {CniError} 4 when it is in none */
export function findDelegate(type: string, env: Environment): string {
  const directories = readPluginDirectories(env);
  const found = findPlugin(type, directories);
  if (found !== null) return found;
  throw new CniError(
    CNI_CODE.environmentInvalid,
    `Cannot run the plugin ${showUntrusted(type)}: it is in none of the directories of CNI_PATH (${directories.map(showUntrusted).join(", ")}); Debian has it in package containernetworking-plugins, in /usr/lib/cni, so name that directory in CNI_PATH or link the plugins into one that is`,
  );
}

/**
 * Runs the delegate to its end and gives what it printed. What it logs goes to our standard error.
 * @param signal - kills it, with what it started
 * @throws {CniError} with the delegate's own number and words when it failed
 */
export async function runDelegate(
  command: DelegateCommand,
  delegate: DelegateConfig,
  env: Environment,
  signal: AbortSignal,
): Promise<string> {
  const path = findDelegate(delegate.type, env);
  const variables = { ...env, CNI_COMMAND: command };
  const answer = await callPlugin({ path, env: variables, log: "inherit" }, delegate, signal);
  if (answer.failure === null) return answer.stdout;
  throw delegateError(command, delegate.type, answer.failure, answer);
}

/** The error for a delegate that failed: its own words if it had any, its number, and advice where we have some. */
function delegateError(
  command: DelegateCommand,
  type: string,
  failure: string,
  { stdout }: PluginAnswer,
): CniError {
  const what = `Cannot ${WHAT[command]} the container: ${type}`;
  const said = parsePluginError(stdout);
  if (said === null) return new CniError(CNI_CODE.failed, `${what}: ${failure}; see what it logged`);
  const { code, msg, details } = said;
  return new CniError(code ?? CNI_CODE.failed, `${what}: ${msg}${adviceFor(msg)}`, { details });
}

/** What to do about words of `bridge` that name the state but not the way out. */
function adviceFor(msg: string): string {
  if (!msg.includes("already has an IP address different from")) return "";
  return '; an earlier lease or another network has this bridge: give the network one of its own with "delegate": {"bridge": NAME}, or remove the old one once no container needs it (ip link del)';
}
