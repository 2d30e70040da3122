import { readFile } from "node:fs/promises";
import { startIperfServer } from "../../lab/measure/iperf.ts";
import type { BenchPlace } from "../bench-place.ts";
import type { TcpRun } from "../bench-result.ts";
import type { Carrier } from "../carry/carrier.ts";
import { countedRun } from "../count/counted-run.ts";
import { parseCpuTimes } from "../count/kernel-counters.ts";
import type { CpuTimes } from "../count/kernel-counters.ts";
import { drawUpTunnelLedger } from "../count/tunnel-ledger.ts";

const GIGABIT = 1e9;

/** How much to send. */
export interface TcpRunOptions {
  readonly streams: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** TCP from pod to pod by iperf3, and the CPU time that the machine spent meanwhile. @throws {OverlayError} `ERR_LAB_FAILED` */
export async function runTcp(place: BenchPlace, carrier: Carrier, options: TcpRunOptions): Promise<TcpRun> {
  const { result, counted } = await countedRun(place, carrier, options.signal, () =>
    transfer(place, options),
  );
  return { ...result, ledger: drawUpTunnelLedger(counted) };
}

async function transfer(
  { sender, receiver }: BenchPlace,
  options: TcpRunOptions,
): Promise<Omit<TcpRun, "ledger">> {
  const server = await startIperfServer(receiver.namespace);
  try {
    const before = await readCpuTimes();
    const result = await sender.iperf(receiver.address, options);
    const after = await readCpuTimes();
    const cpuSeconds = after.busySeconds - before.busySeconds;
    return {
      ...result,
      cpuSeconds,
      stealSeconds: after.stealSeconds - before.stealSeconds,
      cpuSecondsPerGbit: cpuSeconds / ((result.receivedBytes * 8) / GIGABIT),
    };
  } finally {
    await server.stop();
  }
}

async function readCpuTimes(): Promise<CpuTimes> {
  return parseCpuTimes(await readFile("/proc/stat", "utf8"));
}
