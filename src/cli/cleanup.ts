/** `twill cleanup`: takes away what the agent left on this host. */
import { Command } from "commander";
import { cleanUp } from "../agent/cleanup/clean-up.ts";
import { readAgentPath } from "../agent/config.ts";
import { createIpCommand } from "../kernel/ip-command.ts";
import { agentPathOption } from "./agent-path-option.ts";

const NOTES = `
Stop the agent first, and run this before flanneld is started in its place. Removed are devices and routes that carry
twill's mark, its firewall rules and flannel's, and the files of the agent, with their directories when they are
then empty. Among the files is the node id: an agent that is started later is a new node, and finds its lease by the address.
The lease stays in etcd and expires within 24 hours.`;

interface Flags {
  readonly dryRun?: boolean;
  readonly subnetFile?: string;
  readonly runDir?: string;
  readonly stateDir?: string;
}

/** The `cleanup` command; `out` takes what it prints. */
export function cleanupCommand(out: NodeJS.WritableStream): Command {
  return new Command("cleanup")
    .option("--dry-run", "print what would be removed, change nothing")
    .addOption(agentPathOption("subnetFile"))
    .addOption(agentPathOption("runDir"))
    .addOption(agentPathOption("stateDir"))
    .addHelpText("after", NOTES)
    .action(async ({ dryRun = false, ...flags }: Flags) => {
      const paths = {
        subnetFile: readAgentPath("subnetFile", flags.subnetFile),
        runDir: readAgentPath("runDir", flags.runDir),
        stateDir: readAgentPath("stateDir", flags.stateDir),
      };
      const deps = { ip: createIpCommand(), tell: (line: string) => void out.write(`${line}\n`) };
      await cleanUp(paths, dryRun, deps, new AbortController().signal);
    });
}
