/** What the `Backend` object of the network config may say to the udp backend. */
import { foldName } from "../../net/fold-name.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { showUntrustedJson } from "../../net/untrusted-text.ts";
import type { JsonValue } from "../../subnet-lease/lease.ts";

/** flannel's port of old; every node of the overlay uses the same. */
export const DEFAULT_PORT = 8285;
const MAX_PORT = 65535;

export interface UdpOptions {
  /** UDP port of this node and of every peer. */
  readonly port: number;
}

/**
 * Reads the options as Go reads JSON: member names in any case, the last one of a name wins, null is as good
 * as absent, members of no meaning here are left alone.
 * @throws {OverlayError} `ERR_CONFIG_INVALID` when `Port` is not an integer from 1 to 65535
 */
export function parseUdpOptions(options: Readonly<Record<string, JsonValue>>): UdpOptions {
  let port = DEFAULT_PORT;
  for (const [name, value] of Object.entries(options)) {
    if (foldName(name) === "port" && value !== null) port = checkPort(value);
  }
  return { port };
}

function checkPort(value: JsonValue): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_PORT) return value;
  throw new OverlayError(
    "ERR_CONFIG_INVALID",
    `Cannot use the udp backend: Backend.Port must be an integer from 1 to ${MAX_PORT}, got ${showUntrustedJson(value)}`,
  );
}
