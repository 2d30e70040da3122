/** All runs of one row in one repeat. */
import type { AgentStatus } from "../../agent/status.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { RowMeasurement } from "../bench-result.ts";
import type { Carrier } from "../carry/carrier.ts";
import { runLatency } from "./latency-run.ts";
import { runTcp } from "./tcp-run.ts";
import type { TrafficKind } from "./traffic-kind.ts";
import { runUdp } from "./udp-run.ts";

/** Which runs, and what they depend on. */
export interface RowRunsOptions {
  readonly traffic: readonly TrafficKind[];
  readonly secondsPerRun: number;
  readonly receiveBufferBytes: number;
  readonly signal: AbortSignal;
}

const MANY_STREAMS = 4;
const SMALL_PAYLOAD_BYTES = 64;
/** IPv4 20, UDP 8. */
const INNER_HEADER_BYTES = 28;
const PINGS = 1_000;
const WARM_UP_SECONDS = 1;

/** Warms the row up, measures it, and asks its agent about itself. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function measureRow(
  place: BenchPlace,
  carrier: Carrier,
  { traffic, secondsPerRun: seconds, receiveBufferBytes, signal }: RowRunsOptions,
): Promise<Omit<RowMeasurement, "row" | "repeat">> {
  const { overlayMtu } = carrier;
  const when = async <T>(kind: TrafficKind, run: () => Promise<T>): Promise<T | null> =>
    traffic.includes(kind) ? await run() : null;
  const tcp = (streams: number, length = seconds) =>
    runTcp(place, carrier, { streams, seconds: length, signal });
  const udp = (payloadBytes: number) =>
    runUdp(place, carrier, { payloadBytes, receiveBufferBytes, seconds, signal });

  await tcp(1, WARM_UP_SECONDS); // a new process is slow at first
  return {
    overlayMtu,
    tcpOneStream: await when("tcp1", () => tcp(1)),
    tcpFourStreams: await when("tcp4", () => tcp(MANY_STREAMS)),
    udpSmall: await when("udp", () => udp(SMALL_PAYLOAD_BYTES)),
    udpFull: await when("udp", () => udp(overlayMtu - INNER_HEADER_BYTES)),
    latency: await when("latency", () => runLatency(place, carrier, { count: PINGS, signal })),
    datapath: await readDatapath(carrier),
  };
}

async function readDatapath({ agents }: Carrier): Promise<RowMeasurement["datapath"]> {
  const status: Partial<AgentStatus> | undefined = await agents?.sender.status();
  return status?.datapath ?? null; // another build may be one that does not tell
}
