/** A flood of UDP from pod to pod by iperf3: how much arrives, and where the rest is. */
import { startIperfServer } from "../../lab/measure/iperf.ts";
import { commandFailed } from "../../lab/machine/run-command.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { UdpRun } from "../bench-result.ts";
import { withControlLink } from "../carry/control-link.ts";
import type { Carrier } from "../carry/carrier.ts";
import { countedRun } from "../count/counted-run.ts";
import { drawUpLedger } from "../count/ledger.ts";

/** How to flood. */
export interface UdpRunOptions {
  readonly payloadBytes: number;
  /** What the socket of iperf3's server may hold unread. */
  readonly receiveBufferBytes: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** What iperf3 says of a flood. */
export interface IperfUdpResult {
  readonly sentDatagrams: number;
  readonly deliveredDatagrams: number;
  /** By the receiver's clock. */
  readonly seconds: number;
}

const SPARE_MS = 20_000;

/** Sends as fast as the sender can and draws up the ledger. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function runUdp(place: BenchPlace, carrier: Carrier, options: UdpRunOptions): Promise<UdpRun> {
  const { payloadBytes, receiveBufferBytes, signal } = options;
  const { result, counted } = await countedRun(place, carrier, signal, () =>
    withControlLink(place, () => flood(place, options)),
  );
  return {
    payloadBytes,
    deliveredPerSecond: result.deliveredDatagrams / result.seconds,
    seconds: result.seconds,
    ledger: drawUpLedger(counted, { ...result, payloadBytes, receiveBufferBytes }),
  };
}

async function flood({ sender, receiver }: BenchPlace, options: UdpRunOptions): Promise<IperfUdpResult> {
  const { payloadBytes, seconds, signal } = options;
  const server = await startIperfServer(receiver.namespace);
  try {
    const argv = ["iperf3", "--client", receiver.address, "--udp", "--bitrate", "0"];
    argv.push("--length", `${payloadBytes}`, "--time", `${seconds}`, "--json");
    const result = await sender.exec(argv, { timeoutMs: seconds * 1000 + SPARE_MS, signal });
    const measured = parseIperfUdpOutput(result.stdout, payloadBytes);
    if (result.code !== 0 || measured === null) throw commandFailed(argv, result);
    return measured;
  } finally {
    await server.stop();
  }
}

/** Reads what `iperf3 --udp --json` prints, or gives null when it did not finish. */
export function parseIperfUdpOutput(json: string, payloadBytes: number): IperfUdpResult | null {
  let output: { end?: Record<"sum_sent" | "sum_received", Record<string, unknown> | undefined> };
  try {
    output = JSON.parse(json) as typeof output;
  } catch {
    return null;
  }
  const sentDatagrams = output.end?.sum_sent?.packets;
  const receivedBytes = output.end?.sum_received?.bytes;
  const seconds = output.end?.sum_received?.seconds;
  if (typeof sentDatagrams !== "number" || typeof receivedBytes !== "number") return null;
  if (typeof seconds !== "number" || seconds <= 0) return null;
  // Not sum_received.packets: that is the highest number seen, lost ones included.
  return { sentDatagrams, deliveredDatagrams: receivedBytes / payloadBytes, seconds };
}
