import { join } from "node:path";

/** Longest path of a unix socket: `sun_path` has 108 bytes, the last is zero (unix(7)). */
export const MAX_SOCKET_PATH_BYTES = 107;

/** The agent's local socket, which `twill status` asks. */
export function agentSocketPath(runDir: string): string {
  return join(runDir, "agent.sock");
}
