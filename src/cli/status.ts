/** `twill status`: asks the agent on this host over its local socket. */
import { Command } from "commander";
import { AGENT_OPTIONS } from "../agent/options/agent-options.ts";
import { agentSocketPath } from "../agent/options/agent-socket.ts";
import type { AgentStatus } from "../agent/status.ts";
import { askAgent } from "./ask-agent.ts";
import { formatStatus } from "./format-status.ts";

/** The `status` command; `out` takes what it prints. */
export function statusCommand(out: NodeJS.WritableStream): Command {
  return new Command("status")
    .option("--run-dir <path>", "run directory of the agent", AGENT_OPTIONS.runDir.fallback)
    .option("--json", "print the agent's answer as it is")
    .action(async (options: { runDir: string; json?: true }) => {
      const text = await askAgent(agentSocketPath(options.runDir), "/status");
      out.write(options.json === true ? text : formatStatus(JSON.parse(text) as AgentStatus));
    });
}
