/** Whether this host still leases what its subnet file says: the file outlives the agent that wrote it. */
import { agentSocketPath } from "../agent/options/agent-socket.ts";
import type { AgentStatus } from "../agent/status.ts";
import type { Ipv4Prefix } from "../net/ipv4.ts";
import { OverlayError } from "../net/overlay-error.ts";
import { escapeUntrusted } from "../net/untrusted-text.ts";
import { askAgent } from "./ask-agent.ts";

/** Asks the agent about `subnet`, which the file has; null when it forwards with it, else what is wrong, for a person. */
export async function leaseDoubt(
  subnet: Ipv4Prefix,
  subnetFile: string,
  runDir: string,
): Promise<string | null> {
  const claim = `${subnetFile} says that this host leases ${subnet.toString()}`;
  try {
    const status = JSON.parse(await askAgent(agentSocketPath(runDir), "/status")) as AgentStatus;
    const contradiction = contradictionOf(status, subnet);
    return contradiction === null ? null : `${claim}, ${contradiction}`;
  } catch (err) {
    if (!(err instanceof OverlayError)) throw err;
    return `${claim}, and nobody confirms it. ${err.message}`;
  }
}

/** What the agent says instead, or null. */
function contradictionOf(status: AgentStatus, subnet: Ipv4Prefix): string | null {
  if (status.subnet === null)
    return `its agent has no subnet yet: ${status.notReadyReason ?? "it is starting"}`;
  if (status.subnet === subnet.toString()) return null;
  return `its agent leases ${escapeUntrusted(status.subnet)}; --subnet-file names the file that this agent writes`;
}
