/** `twill agent`: the daemon's door. Flags are flannel's, so its command lines and unit files keep working. */
import { Command, Option } from "commander";
import { loadAgentConfig } from "../agent/config.ts";
import { AGENT_OPTION_LIST } from "../agent/options/agent-options.ts";
import { normalizeGoFlags } from "../agent/options/go-flags.ts";
import type { OptionDefinition } from "../agent/options/option-kinds.ts";
import { VERSION } from "./version.ts";

/** Takes the place of the command line in the process list, where everyone could read a password. */
const PROCESS_TITLE = "twill agent";

/** The `agent` command; `out` takes what `--check` prints. */
export function agentCommand(out: NodeJS.WritableStream): Command {
  const command = new Command("agent").helpOption("-h, --help", "print help").usage("[flags]");
  const texts = new Map<string, string[]>();
  for (const definition of AGENT_OPTION_LIST) command.addOption(toCommanderOption(definition, texts));
  return command.action(async () => {
    const config = loadAgentConfig(texts);
    if (config.options.version) {
      process.stderr.write(`${VERSION}\n`);
      return;
    }
    process.title = PROCESS_TITLE;
    if (config.options.check) {
      const { checkAgent } = await import("../agent/start/check-start.ts");
      await checkAgent(config, (text) => void out.write(text));
      return;
    }
    const { agentProcess } = await import("../agent/agent-process.ts");
    process.exitCode = await agentProcess(config, VERSION);
  });
}

/** Arguments of `twill agent` in the form that commander reads. @throws {OverlayError} `ERR_OPTION_INVALID` */
export function agentArguments(args: readonly string[]): string[] {
  return normalizeGoFlags(args, AGENT_OPTION_LIST);
}

/** An option of the agent's as commander takes it. Values stay text here: config.ts reads flags and variables in one way. */
export function toCommanderOption(
  definition: OptionDefinition<unknown>,
  texts: Map<string, string[]>,
): Option {
  const placeholder = definition.kind === "boolean" ? "bool" : definition.kind;
  const option = new Option(`--${definition.name} <${placeholder}>`, describe(definition));
  return option.argParser((text: string) => {
    texts.set(definition.name, [...(texts.get(definition.name) ?? []), text]);
  });
}

function describe(definition: OptionDefinition<unknown>): string {
  const variable = definition.variable === null ? "" : `, ${definition.variable}`;
  return `${definition.description} (${showFallback(definition)}${variable})`;
}

/** The default of an option as text, as help and documentation show it. */
export function showFallback({ fallback }: OptionDefinition<unknown>): string {
  const text = Array.isArray(fallback) ? fallback.join(",") : JSON.stringify(fallback).replace(/^"|"$/g, "");
  return text === "" || text === "null" ? "none" : text;
}
