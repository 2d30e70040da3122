import { Option } from "commander";
import type { AgentPathKey } from "../agent/config.ts";
import { AGENT_OPTIONS } from "../agent/options/agent-options.ts";

/**
 * The agent's flag for one of its paths, for a command that looks for the agent's files. Its value is what the user
 * gave, or undefined: `readAgentPath` makes a path of it.
 */
export function agentPathOption(key: AgentPathKey): Option {
  const { name, description, fallback, variable } = AGENT_OPTIONS[key];
  return new Option(`--${name} <path>`, `the agent's: ${description} (${fallback}, ${variable ?? "none"})`);
}
