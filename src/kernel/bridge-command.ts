/** The `bridge` program of iproute2: our way to FDB entries. */
import { createIpCommand } from "./ip-command.ts";
import type { IpCommand, IpCommandOptions } from "./ip-command.ts";

/** 10,000 FDB entries take the kernel well under a second. */
const BRIDGE_DEADLINE_MS = 5_000;

/** The `bridge` found in PATH; it takes arguments and batches as `ip` does. */
export function createBridgeCommand(
  options: IpCommandOptions = { program: "bridge", deadlineMs: BRIDGE_DEADLINE_MS },
): IpCommand {
  return createIpCommand(options);
}
