/** `twill lab demo`: a lab from nothing, proof that it works, and nothing left of it. */
import { OverlayError } from "../net/overlay-error.ts";
import { createLabWithLogs } from "./create-lab-with-logs.ts";
import type { Lab } from "./lab.ts";
import { DEMO_TOOLS, checkMachine, thisMachine } from "./machine/required-tools.ts";
import { followPacket, traceRoute } from "./measure/packet-way.ts";
import type { PodPlace } from "./measure/packet-way.ts";
import { MAX_HOSTS, ROUTER_IP, UNDERLAY_NETWORK, checkCount } from "./record/address-plan.ts";
import { drawLab } from "./show/draw-lab.ts";
import { formatTable } from "./show/format-table.ts";
import { reportHosts } from "./show/lab-report.ts";
import { saveLogs, withLogs } from "./show/save-logs.ts";

/** What to show, and where. */
export interface DemoOptions {
  readonly hosts: number;
  readonly stateDirectory?: string | undefined;
  readonly out: NodeJS.WritableStream;
  readonly signal: AbortSignal;
}

/** A way needs two ends. */
const MIN_HOSTS = 2;
/** Enough to see a loss, and over in half a second. */
const PINGS = 20;
const PING_INTERVAL_MS = 10;
const MEGABIT = 1_000_000;
const MEBIBYTE = 2 ** 20;

/** Runs the demo; its last line is `demo: ok`. @throws {OverlayError} `ERR_LAB_FAILED` with what failed and where the logs are */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { out, signal } = options;
  const startMs = performance.now();
  checkCount("hosts", options.hosts, MIN_HOSTS, MAX_HOSTS);
  checkMachine(thisMachine(), DEMO_TOOLS);
  const say = (text: string): void => void out.write(`[${seconds(startMs)} s] ${text}\n`);
  try {
    const lab = await createLabWithLogs({
      owner: "demo",
      hosts: options.hosts,
      stateDirectory: options.stateDirectory,
      signal,
      onProgress: say,
    });
    await showAndTakeDown(lab, options, say);
  } catch (err) {
    signal.throwIfAborted();
    throw err;
  }
  say("all of it taken down");
  out.write("demo: ok\n");
}

async function showAndTakeDown(lab: Lab, options: DemoOptions, say: (text: string) => void): Promise<void> {
  try {
    await show(lab, options, say);
  } catch (err) {
    throw options.signal.aborted ? err : withLogs(err, await saveLogs(lab));
  } finally {
    await lab.down();
  }
}

async function show(lab: Lab, options: DemoOptions, say: (text: string) => void): Promise<void> {
  const { out, signal } = options;
  out.write(`\n${await pictureOf(lab)}\n`);
  say("leases in etcd (etcdctl get --prefix /coreos.com/network/subnets/):");
  out.write(indent(formatTable([...(await lab.etcd.leases())])));

  const places = lab.hosts.map((host) => ({ host, pod: host.pod }));
  say(`every pod pings every other, ${PINGS} packets each:`);
  out.write(indent(await pingAll(places, signal)));

  const [from, to] = places;
  if (from === undefined || to === undefined) {
    throw new OverlayError("ERR_LAB_FAILED", "Cannot show the way of a packet: the lab has one host");
  }
  say(`TCP from ${from.pod.name} to ${to.pod.name} for 1 s (iperf3):`);
  out.write(indent(await measureTcp(from, to, signal)));
  say(`the way of one packet from ${from.pod.name} to ${to.pod.name} (tcpdump at every device):`);
  out.write(indent(await followPacket(lab, from, to)));
  say(`the same way by traceroute:`);
  out.write(indent(await traceRoute(from.pod, to.pod)));
  await checkNoLeak(lab, say);
}

/** Draws a lab as it is now. */
export async function pictureOf(lab: Lab): Promise<string> {
  return drawLab({
    underlayNetwork: UNDERLAY_NETWORK.toString(),
    underlayMtu: lab.record.underlayMtu,
    routerIp: ROUTER_IP.toString(),
    etcdUrl: lab.etcd.isRunning ? lab.etcd.url : null,
    hosts: await reportHosts(lab),
  });
}

async function pingAll(places: readonly PodPlace[], signal: AbortSignal): Promise<string> {
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

async function measureTcp(from: PodPlace, to: PodPlace, signal: AbortSignal): Promise<string> {
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

async function checkNoLeak(lab: Lab, say: (text: string) => void): Promise<void> {
  const leaked = await lab.leakedPackets();
  if (leaked > 0) {
    throw new OverlayError(
      "ERR_LAB_FAILED",
      `Cannot keep the overlay to itself: ${leaked} packets crossed the underlay in clear`,
    );
  }
  say("packets with an overlay address that crossed the underlay in clear: 0");
}

function seconds(startMs: number): string {
  return ((performance.now() - startMs) / 1000).toFixed(1).padStart(4);
}

function indent(text: string): string {
  return `${text.trimEnd().replace(/^/gm, "    ")}\n\n`;
}
