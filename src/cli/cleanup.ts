/** `twill cleanup`: takes away what the agent left on this host. */
import { Command, Option } from "commander";
import { cleanUp } from "../agent/cleanup/clean-up.ts";
import { loadAgentConfig } from "../agent/config.ts";
import { AGENT_OPTIONS } from "../agent/options/agent-options.ts";
import type { OptionDefinition } from "../agent/options/option-kinds.ts";
import { createIpCommand } from "../kernel/ip-command.ts";

/** The agent's options that say where its files are, read as the agent reads them. */
const PATH_OPTIONS = [AGENT_OPTIONS.subnetFile, AGENT_OPTIONS.runDir, AGENT_OPTIONS.stateDir];

const NOTES = `
Stop the agent first, and run this before flanneld is started in its place. Removed are devices and routes that carry
twill's mark, its firewall rules and flannel's, and the files of the agent, with their directories when they are
then empty. Among the files is the node id: an agent that is started later is a new node, and finds its lease by the address.
The lease stays in etcd and expires within 24 hours.`;

/** The `cleanup` command; `out` takes what it prints. */
export function cleanupCommand(out: NodeJS.WritableStream): Command {
  const texts = new Map<string, string[]>();
  const command = new Command("cleanup").option("--dry-run", "print what would be removed, change nothing");
  for (const definition of PATH_OPTIONS) command.addOption(toCommanderOption(definition, texts));
  command.addHelpText("after", NOTES);
  return command.action(async ({ dryRun = false }: { dryRun?: boolean }) => {
    const { options } = loadAgentConfig(texts);
    const deps = { ip: createIpCommand(), tell: (line: string) => void out.write(`${line}\n`) };
    await cleanUp(options, dryRun, deps, new AbortController().signal);
  });
}

/** Values stay text here: config.ts reads flags and variables in one way. */
function toCommanderOption(
  { name, description, fallback, variable }: OptionDefinition<string>,
  texts: Map<string, string[]>,
): Option {
  const option = new Option(
    `--${name} <path>`,
    `the agent's: ${description} (${fallback}, ${variable ?? ""})`,
  );
  return option.argParser((text: string) => void texts.set(name, [text]));
}
