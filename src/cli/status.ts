/** `twill status`: asks the agent on this host over its local socket. */
import { Command } from "commander";
import { request } from "node:http";
import { AGENT_OPTIONS } from "../agent/options/agent-options.ts";
import { agentSocketPath } from "../agent/options/agent-socket.ts";
import type { AgentStatus } from "../agent/status.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { formatStatus } from "./format-status.ts";

/** The agent answers from memory: one that takes longer is stuck. */
const ANSWER_TIMEOUT_MS = 3000;
/** 5,000 peers take about 1 MiB. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

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

/** The body of the agent's answer to `path`. @throws {OverlayError} `ERR_SOCKET_FAILED` when no agent answers */
async function askAgent(socketPath: string, path: string): Promise<string> {
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  try {
    return await new Promise<string>((resolve, reject) => {
      const ask = request({ socketPath, path, signal }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
          if (text.length > MAX_ANSWER_BYTES) response.destroy(new Error("the answer is too long"));
        });
        response.on("error", reject).on("end", () => resolve(text));
      });
      ask.on("error", reject).end();
    });
  } catch (err) {
    throw notReachable(socketPath, err);
  }
}

function notReachable(socketPath: string, err: unknown): OverlayError {
  const code = err instanceof Error && "code" in err ? err.code : null;
  const reason =
    code === "ENOENT" || code === "ECONNREFUSED"
      ? `no agent is running behind ${socketPath}; --run-dir names another`
      : code === "EACCES"
        ? `${socketPath} is open to root only`
        : `no answer on ${socketPath}: ${err instanceof Error ? err.message : "unknown reason"}`;
  return new OverlayError("ERR_SOCKET_FAILED", `Cannot ask the agent: ${reason}`, {}, { cause: err });
}
