/** What a benchmark found out: the content of its JSON file. Units are in the names; nothing is rounded. */
import type { AgentStatus } from "../agent/status.ts";
import type { BenchRow } from "./bench-rows.ts";
import type { Ledger } from "./count/stretch.ts";
import type { MachineFacts } from "./machine-facts.ts";
import type { TrafficKind } from "./traffic/traffic-kind.ts";

/** Raised when a member changes its meaning or goes. */
export const SCHEMA_VERSION = 2;

export interface BenchResult {
  readonly schema: "twill-bench-datapath";
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly startedAt: string;
  readonly machine: MachineFacts;
  readonly commandLine: readonly string[];
  readonly settings: {
    readonly repeats: number;
    readonly secondsPerRun: number;
    readonly traffic: readonly TrafficKind[];
    readonly queues: number | null;
    readonly rows: readonly BenchRow[];
  };
  /** In the order they were measured. */
  readonly measurements: readonly RowMeasurement[];
}

/** All runs of one row in one repeat; null where that kind of traffic was not wanted. */
export interface RowMeasurement {
  readonly row: string;
  /** From 1. */
  readonly repeat: number;
  /** MTU of the pods: what their largest packet leaves of the underlay's 1500 bytes. */
  readonly overlayMtu: number;
  /** What the sender's agent said of itself, after the runs; null where no agent carries, or it is too old to say. */
  readonly datapath: AgentStatus["datapath"];
  readonly tcpOneStream: TcpRun | null;
  readonly tcpFourStreams: TcpRun | null;
  readonly udpSmall: UdpRun | null;
  readonly udpFull: UdpRun | null;
  readonly latency: LatencyRun | null;
}

export interface TcpRun {
  readonly bitsPerSecond: number;
  readonly receivedBytes: number;
  readonly retransmits: number;
  /** Of the whole machine, both ends and iperf3 included. */
  readonly cpuSeconds: number;
  /** Part of `cpuSeconds` that the hypervisor gave to others. */
  readonly stealSeconds: number;
  readonly cpuSecondsPerGbit: number;
  /** Packets through the tunnel, both ways; null where no agent counts them. */
  readonly ledger: Ledger | null;
}

export interface UdpRun {
  readonly payloadBytes: number;
  readonly deliveredPerSecond: number;
  readonly seconds: number;
  /** Datagrams from pod to pod. */
  readonly ledger: Ledger;
}

export interface LatencyRun {
  readonly sent: number;
  readonly answered: number;
  readonly averageMicros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** As of {@link TcpRun}. */
  readonly ledger: Ledger | null;
}
