/** The traffic of the demo, and what came of it, as tables. */
import { OverlayError } from "../../net/overlay-error.ts";
import type { PodPlace } from "../measure/packet-way.ts";
import { formatTable } from "../show/format-table.ts";

/** Enough to see a loss, and over in half a second. */
export const PINGS = 20;
const PING_INTERVAL_MS = 10;
const MEGABIT = 1_000_000;
const MEBIBYTE = 2 ** 20;

/** Pings every pod from every other, all at once. @throws {OverlayError} `ERR_LAB_FAILED` when one packet is lost */
export async function pingAll(places: readonly PodPlace[], signal: AbortSignal): Promise<string> {
  const pairs = places.flatMap((from) => places.filter((to) => to !== from).map((to) => ({ from, to })));
  const rows = await Promise.all(
    pairs.map(async ({ from, to }) => {
      const options = { count: PINGS, intervalMs: PING_INTERVAL_MS, signal };
      const counts = await from.pod.ping(to.pod.address, options);
      const way = `${from.pod.name} > ${to.pod.name}`;
      if (counts.lost > 0) {
        throw new OverlayError(
          "ERR_LAB_FAILED",
          `Cannot ping ${way}: ${counts.lost} of ${counts.sent} packets were lost`,
        );
      }
      const rtt = `${(counts.rttAvgMs ?? 0).toFixed(2)} ms`;
      return [way, `${counts.received} of ${counts.sent} answered`, rtt, `TTL ${counts.ipTtl ?? 0}`];
    }),
  );
  return formatTable(rows);
}

/** Moves data by TCP for a second. @throws {OverlayError} `ERR_LAB_FAILED` when nothing arrives */
export async function measureTcp(from: PodPlace, to: PodPlace, signal: AbortSignal): Promise<string> {
  const server = await to.pod.startIperfServer();
  try {
    const result = await from.pod.iperf(to.pod.address, { seconds: 1, signal });
    const rate = (result.bitsPerSecond / MEGABIT).toFixed(0);
    const moved = (result.receivedBytes / MEBIBYTE).toFixed(1);
    if (result.receivedBytes === 0)
      throw new OverlayError("ERR_LAB_FAILED", "Cannot move data by TCP: nothing arrived");
    return `${moved} MiB arrived, ${rate} Mbit/s, ${result.retransmits} segments sent again\n`;
  } finally {
    await server.stop();
  }
}
