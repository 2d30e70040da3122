/** `twill-cni`: one call by a container runtime, from its variables to what is printed. */
import { reasonOf } from "../net/reason-of.ts";
import { attach, checkAttachment, detach } from "./attach.ts";
import type { PluginCall } from "./attach.ts";
import { deadlineAfter } from "./call/call-plugin.ts";
import { CNI_CODE, CniError, formatError } from "./cni-error.ts";
import { parseNetworkConfig } from "./network-config.ts";
import { readCommand } from "./plugin-request.ts";
import type { Command, Environment } from "./plugin-request.ts";
import { DELEGATES_DEADLINE_MS } from "./run-delegate.ts";
import { NEWEST_VERSION, checkVersion, checkVersionHasCheck, formatVersions } from "./spec-version.ts";

/** What a plugin has of the process it is. */
export interface PluginProcess {
  readonly env: Environment;
  /** All of standard input; not called where none is needed. */
  readonly readInput: () => Promise<string>;
  readonly writeError: (text: string) => void;
  /** {@link DELEGATES_DEADLINE_MS}, but for a test, which has no minute. */
  readonly delegatesDeadlineMs?: number;
}

/** What is left to do: print, and end with this status. */
export interface PluginEnd {
  readonly output: string;
  readonly exitCode: 0 | 1;
}

/** Does what the runtime asks for. Never throws: a failure is printed as the specification wants it. */
export async function runPlugin({ env, readInput, ...others }: PluginProcess): Promise<PluginEnd> {
  let cniVersion = NEWEST_VERSION;
  try {
    const command = readCommand(env);
    if (command === "VERSION") return { output: formatVersions(), exitCode: 0 };
    const config = parseNetworkConfig(await readAll(readInput));
    checkVersion(config.cniVersion);
    cniVersion = config.cniVersion ?? NEWEST_VERSION;
    if (command === "CHECK") checkVersionHasCheck(config.cniVersion);
    const log = (line: string): void => others.writeError(`twill-cni: ${line}\n`);
    const signal = deadlineAfter(others.delegatesDeadlineMs ?? DELEGATES_DEADLINE_MS);
    return { output: await COMMANDS[command]({ env, config, log, signal }), exitCode: 0 };
  } catch (err) {
    return { output: formatError(err, cniVersion), exitCode: 1 };
  }
}

async function readAll(readInput: () => Promise<string>): Promise<string> {
  try {
    return await readInput();
  } catch (err) {
    const reason = reasonOf(err);
    const message = `Cannot read the network's configuration from standard input: ${reason}`;
    throw new CniError(CNI_CODE.ioFailed, message, { cause: err });
  }
}

const COMMANDS: Readonly<Record<Exclude<Command, "VERSION">, (call: PluginCall) => Promise<string>>> = {
  ADD: attach,
  CHECK: checkAttachment,
  DEL: detach,
};
