import type { Logger } from "pino";
import type { Backend } from "../../backends/backend.ts";
import { createBackend } from "../../backends/backends.ts";
import type { Ipv4Prefix } from "../../net/ipv4.ts";
import { assertCarried } from "../../subnet-lease/network-config.ts";
import type { NetworkConfig } from "../../subnet-lease/network-config.ts";
import type { StartPlan } from "../start/start-plan.ts";

/** Who we are, and what we were. */
export interface NodePast {
  readonly nodeId: string;
  /** Overlay range that this node was part of before. */
  readonly formerNetwork: Ipv4Prefix | null;
}

/**
 * The backend that a network config asks for, not open yet: nothing outside the process is touched.
 * @throws {OverlayError} `ERR_BACKEND_UNKNOWN`, `ERR_CONFIG_INVALID`, `ERR_ADDON_MISSING`
 */
export async function backendFor(
  config: NetworkConfig,
  { underlay, options }: Pick<StartPlan, "underlay" | "options">,
  { nodeId, formerNetwork }: NodePast,
  log: Logger,
): Promise<Backend> {
  assertCarried(config);
  return await createBackend(config.backendType, {
    network: config.network,
    underlay,
    options: config.backendOptions,
    sourceCheck: options.sourceCheck,
    carrier: options.datapath,
    nodeId,
    formerNetwork: formerNetwork?.equals(config.network) === true ? null : formerNetwork,
    datapath: {
      engine: options.engine,
      queues: options.queues,
      offload: options.offload,
      sourcePort: options.udpSourcePort === "auto" ? null : options.udpSourcePort,
    },
    log,
  });
}
