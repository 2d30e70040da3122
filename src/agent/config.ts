/**
 * What the agent was told: flags, then variables, then defaults. The only file that reads the environment.
 */
import { showUntrusted } from "../net/untrusted-text.ts";
import { AGENT_OPTIONS } from "./options/agent-options.ts";
import type { AgentOptionKey, AgentOptions } from "./options/agent-options.ts";
import { checkOptions } from "./options/check-options.ts";
import type { OptionDefinition } from "./options/option-kinds.ts";
import { findUnknownVariables } from "./options/unknown-variables.ts";
import { usageError } from "./options/usage-error.ts";

/** Variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything that is fixed for the life of the process. */
export interface AgentConfig {
  readonly options: AgentOptions;
  /** Variables that look like options and are none, fit for a log line. */
  readonly unknownVariables: readonly string[];
  /** systemd's notification socket (sd_notify(3)), or null. */
  readonly notifySocket: string | null;
  /** systemd expects a sign of life in this time (sd_watchdog_enabled(3)), or null. */
  readonly watchdogMs: number | null;
}

/**
 * Reads every option: `flags` holds the texts given on the command line, in order, by flag name.
 * @throws {OverlayError} `ERR_OPTION_INVALID` that names the flag or variable, its value and what is valid
 */
export function loadAgentConfig(
  flags: ReadonlyMap<string, readonly string[]>,
  environment: Environment = process.env,
): AgentConfig {
  const options: Record<string, unknown> = {};
  for (const [key, definition] of Object.entries(AGENT_OPTIONS) as [AgentOptionKey, Definition][])
    options[key] = readOption(definition, flags, environment);
  const checked = checkOptions(options as AgentOptions);
  const unknownVariables = findUnknownVariables(environment);
  return { options: checked, unknownVariables, ...readServiceManager(environment) };
}

/** Options of the agent that say where its files are, by name in {@link AGENT_OPTIONS}. */
export type AgentPathKey = "subnetFile" | "runDir" | "stateDir";

/**
 * Where the agent of this host has its files, for commands that look for them: as the agent reads it, `flag` (what
 * the command line has), then the variable, then the default.
 * @throws {OverlayError} `ERR_OPTION_INVALID`
 */
export function readAgentPath(
  key: AgentPathKey,
  flag: string | undefined,
  environment: Environment = process.env,
): string {
  const definition = AGENT_OPTIONS[key];
  return readOption(definition, new Map(flag === undefined ? [] : [[definition.name, [flag]]]), environment);
}

type Definition = OptionDefinition<unknown>;

interface Source {
  /** Flag or variable, as the user wrote it. */
  readonly label: string;
  readonly texts: readonly string[];
}

/** A flag wins over its variable; an empty variable counts as not set. */
function findSource(
  definition: Definition,
  flags: ReadonlyMap<string, readonly string[]>,
  environment: Environment,
): Source | null {
  const texts = flags.get(definition.name);
  if (texts !== undefined) return { label: `--${definition.name}`, texts };
  if (definition.variable === null) return null;
  const text = environment[definition.variable];
  return text === undefined || text === "" ? null : { label: definition.variable, texts: [text] };
}

function readOption<T>(
  definition: OptionDefinition<T>,
  flags: ReadonlyMap<string, readonly string[]>,
  environment: Environment,
): T {
  const source = findSource(definition, flags, environment);
  return source === null ? definition.fallback : parseOption(definition, source);
}

function parseOption<T>(definition: OptionDefinition<T>, source: Source): T {
  const value = definition.parse(source.texts);
  if (value !== undefined) return value;
  const shown = definition.isSecret ? "the value" : source.texts.map(showUntrusted).join(" ");
  throw usageError(`Cannot use ${source.label}: ${shown} is not ${definition.range}`);
}

function readServiceManager(environment: Environment): Pick<AgentConfig, "notifySocket" | "watchdogMs"> {
  const micros = Number(environment.WATCHDOG_USEC ?? "");
  const pid = environment.WATCHDOG_PID;
  const isForUs = pid === undefined || pid === String(process.pid);
  return {
    notifySocket: environment.NOTIFY_SOCKET === "" ? null : (environment.NOTIFY_SOCKET ?? null),
    watchdogMs: isForUs && Number.isSafeInteger(micros) && micros > 0 ? micros / 1000 : null,
  };
}
