/**
 * What the overlay costs between real hosts: the same TCP and the same pings to each peer's underlay address and to its
 * overlay address, taking turns. Unlike in a lab nothing is known of the other end but that an iperf3 waits there.
 */
import type { AgentStatus } from "../../agent/status.ts";
import { commandFailed, runCommand } from "../../lab/machine/run-command.ts";
import { parseIperfOutput } from "../../lab/measure/iperf.ts";
import { MAX_UNDER_WAY, parsePingOutput, roundTripsMs, watchAnswers } from "../../lab/measure/ping-output.ts";
import { Ipv4Prefix } from "../../net/ipv4.ts";
import { OverlayError } from "../../net/overlay-error.ts";
import { median } from "../statistics.ts";

/** A peer by both of its addresses. */
export interface HostPair {
  readonly subnet: string;
  readonly underlayIp: string;
  /** The gateway of its pods: the first address of its subnet, on its bridge. */
  readonly overlayIp: string;
}

export type Path = "underlay" | "overlay";

/** One turn on one path. */
export interface HostRun {
  readonly peer: HostPair;
  readonly path: Path;
  readonly bitsPerSecond: number;
  /** Median; null when no ping was answered. */
  readonly roundTripMs: number | null;
  readonly pings: number;
  readonly lostPings: number;
}

export interface HostsBenchOptions {
  readonly peers: readonly HostPair[];
  readonly repeats: number;
  readonly secondsPerRun: number;
  /** The argument array that runs another one where packets go out: for the overlay in a pod, for instance. */
  readonly from: (path: Path, argv: readonly string[]) => readonly string[];
  readonly onRun: (run: HostRun) => void;
  readonly signal: AbortSignal;
}

const PATHS: readonly Path[] = ["underlay", "overlay"];
const PINGS = 200;
const PING_INTERVAL_SECONDS = 0.01; // all of them take 2 s
/** Sent while the last of those is waited for, a second at most. */
const FURTHER_PINGS = 10 * MAX_UNDER_WAY;
const SPARE_MS = 20_000;

/** The peers that an agent forwards to. @throws {OverlayError} `ERR_LAB_FAILED` when there is none */
export function peersOf(status: Pick<AgentStatus, "peers" | "ready" | "notReadyReason">): HostPair[] {
  const peers = status.peers.flatMap(({ subnet, underlayIp }) => {
    const prefix = Ipv4Prefix.parse(subnet);
    return prefix === null ? [] : [{ subnet, underlayIp, overlayIp: prefix.address.plus(1).toString() }];
  });
  if (peers.length > 0) return peers;
  const why = status.ready
    ? "its agent knows no other host"
    : (status.notReadyReason ?? "its agent is not ready");
  throw new OverlayError("ERR_LAB_FAILED", `Cannot measure from this host: ${why}`);
}

/** Measures every peer on both paths, `repeats` times. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function runHostsBench(options: HostsBenchOptions): Promise<HostRun[]> {
  const runs: HostRun[] = [];
  for (let repeat = 0; repeat < options.repeats; repeat++) {
    for (const peer of options.peers) {
      for (const path of PATHS) {
        const run = await measure(peer, path, options);
        runs.push(run);
        options.onRun(run);
      }
    }
  }
  return runs;
}

async function measure(peer: HostPair, path: Path, options: HostsBenchOptions): Promise<HostRun> {
  const target = path === "overlay" ? peer.overlayIp : peer.underlayIp;
  const bitsPerSecond = await measureTcp(
    options.from(path, tcpCommand(target, options.secondsPerRun)),
    options,
  );
  const argv = options.from(path, pingCommand(target));
  const result = await runCommand(argv, { signal: options.signal, hasSaidEnough: watchAnswers(PINGS) });
  const counts = parsePingOutput(result.stdout, PINGS);
  if (counts === null) throw commandFailed(argv, result);
  const times = roundTripsMs(result.stdout);
  const roundTripMs = times.length === 0 ? null : median(times);
  return { peer, path, bitsPerSecond, roundTripMs, pings: counts.sent, lostPings: counts.lost };
}

async function measureTcp(
  argv: readonly string[],
  { secondsPerRun, signal }: HostsBenchOptions,
): Promise<number> {
  const result = await runCommand(argv, { timeoutMs: secondsPerRun * 1000 + SPARE_MS, signal });
  const measured = parseIperfOutput(result.stdout);
  if (result.code !== 0 || measured === null) throw commandFailed(argv, result);
  return measured.bitsPerSecond;
}

function tcpCommand(target: string, seconds: number): string[] {
  return ["iperf3", "--client", target, "--time", `${seconds}`, "--json"];
}

function pingCommand(target: string): string[] {
  const requests = ["-i", `${PING_INTERVAL_SECONDS}`, "-c", `${PINGS + FURTHER_PINGS}`, "-W", "1"];
  return ["ping", "-n", "-D", ...requests, "--", target];
}
