/** `twill status`: asks the agent on this host over its local socket. */
import { Command } from "commander";
import { readAgentPath } from "../agent/config.ts";
import { agentSocketPath } from "../agent/options/agent-socket.ts";
import type { AgentStatus } from "../agent/status.ts";
import { agentPathOption } from "./agent-path-option.ts";
import { askAgent } from "./ask-agent.ts";
import { formatStatus } from "./format-status.ts";

/** The `status` command; `out` takes what it prints. */
export function statusCommand(out: NodeJS.WritableStream): Command {
  return new Command("status")
    .addOption(agentPathOption("runDir"))
    .option("--json", "print the agent's answer as it is")
    .action(async (options: { runDir?: string; json?: true }) => {
      const text = await askAgent(agentSocketPath(readAgentPath("runDir", options.runDir)), "/status");
      out.write(options.json === true ? text : formatStatus(JSON.parse(text) as AgentStatus));
    });
}
