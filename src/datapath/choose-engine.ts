/** Which packet engine carries the packets, and with how many queues: what was asked for against what there is. */
import { availableParallelism } from "node:os";
import type { Logger } from "pino";
import { OverlayError } from "../net/overlay-error.ts";
import type { OpenPacketEngine, PacketEngine, PacketEngineOptions } from "./packet-engine.ts";
import type { OpenTun } from "./tun.ts";

/** What the operator says about the data path. */
export interface DatapathOptions {
  /** `auto`: native where its addon loads, else dgram. */
  readonly engine: "auto" | PacketEngine["name"];
  /** Null: by the number of cores. */
  readonly queues: number | null;
  readonly offload: PacketEngineOptions["offload"];
  /** Null: as suits the backend. */
  readonly sourcePort: PacketEngineOptions["sourcePort"] | null;
}

/** An engine and what it is to be opened with. */
export interface ChosenEngine extends Pick<DatapathOptions, "offload" | "sourcePort"> {
  readonly name: PacketEngine["name"];
  readonly open: OpenPacketEngine;
  /** Of the TUN. */
  readonly queues: number;
}

/** How packets go while an engine is open, for log and status. */
export interface DatapathState extends Pick<PacketEngineOptions, "sourcePort"> {
  readonly engine: PacketEngine["name"];
  readonly queues: number;
  /** Runs of packets that the TUN hands over and takes in one piece: of no protocol, of TCP, or of UDP too. */
  readonly offload: "off" | "tcp" | "tcp+udp";
}

/** Where engines come from, and how many cores there are; others are for tests. */
export interface EngineSources {
  readonly cores: number;
  native(): Promise<{
    readonly openNativeEngine: OpenPacketEngine;
    /** Why it cannot be opened here, or null. */
    readonly whyNoNativeEngine: () => OverlayError | null;
  }>;
  dgram(): Promise<{ readonly openDgramEngine: OpenPacketEngine }>;
}

/** Each queue has two threads: as many threads as cores, and no more where a network card has no more queues. */
const CORES_PER_QUEUE = 2;
const MAX_DEFAULT_QUEUES = 8;

/** Only the engine that is used is loaded: the memory of the other is not paid for. */
function engineSources(): EngineSources {
  return {
    cores: availableParallelism(),
    native: () => import("./native-engine.ts"),
    dgram: () => import("./dgram-engine.ts"),
  };
}

/**
 * Chooses the engine. What is not as asked for, and why, goes to the log, in one line for each.
 * @throws {OverlayError} `ERR_ADDON_MISSING` when native is asked for and cannot be loaded
 */
export async function chooseEngine(
  wanted: DatapathOptions,
  log: Logger,
  sources: EngineSources = engineSources(),
): Promise<ChosenEngine> {
  if (wanted.engine === "dgram") return await chooseDgram(wanted, log, sources);
  const { openNativeEngine, whyNoNativeEngine } = await sources.native();
  const reason = whyNoNativeEngine();
  if (reason === null) {
    const { offload, sourcePort } = wanted;
    const queues = wanted.queues ?? defaultQueues(sources.cores);
    return { name: "native", open: openNativeEngine, queues, offload, sourcePort };
  }
  if (wanted.engine === "native") throw notLoaded(reason);
  log.warn(
    { err: reason, remedy: "scripts/build-native" },
    "Native packet engine cannot be used, using dgram, which is slower",
  );
  return await chooseDgram(wanted, log, sources);
}

/** What an open engine and its TUN came to. */
export function describeDatapath(
  { name, sourcePort }: Pick<ChosenEngine, "name"> & Pick<PacketEngineOptions, "sourcePort">,
  { fds, hasVnetHeader, takesUdpRuns }: OpenTun,
): DatapathState {
  const runs = takesUdpRuns ? "tcp+udp" : "tcp";
  return { engine: name, queues: fds.length, offload: hasVnetHeader ? runs : "off", sourcePort };
}

function defaultQueues(cores: number): number {
  return Math.max(1, Math.min(MAX_DEFAULT_QUEUES, Math.floor(cores / CORES_PER_QUEUE)));
}

/** It reads one packet at a time, in one thread, and sends from one socket. */
async function chooseDgram(
  { queues, sourcePort }: DatapathOptions,
  log: Logger,
  sources: EngineSources,
): Promise<ChosenEngine> {
  const ignored = [
    ...(queues !== null && queues > 1 ? [`${queues} queues`] : []),
    ...(sourcePort === "flow-hash" ? [`source port ${sourcePort}`] : []),
  ];
  if (ignored.length > 0)
    log.warn({ ignored }, "The dgram engine has one queue and one source port, settings have no effect");
  const { openDgramEngine } = await sources.dgram();
  return { name: "dgram", open: openDgramEngine, queues: 1, offload: "off", sourcePort: "fixed" };
}

function notLoaded(reason: OverlayError): OverlayError {
  return new OverlayError(
    reason.code,
    `Cannot use the native packet engine, which is asked for: ${reason.message}`,
    reason.fields,
    { cause: reason },
  );
}
