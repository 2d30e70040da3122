/** What the demo shows of one lab. */
import { OverlayError } from "../../net/overlay-error.ts";
import type { Lab } from "../lab.ts";
import { followPacket, traceRoute } from "../measure/packet-way.ts";
import type { PodPlace } from "../measure/packet-way.ts";
import { formatTable } from "../show/format-table.ts";
import { formatHosts, reportHosts } from "../show/lab-report.ts";
import { pictureOf } from "../show/picture-of.ts";
import { PINGS, measureTcp, pingAll } from "./demo-traffic.ts";

/** Where it is shown. */
export interface Stage {
  readonly out: NodeJS.WritableStream;
  /** A line with the time in front. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** All of a lab: the picture, the leases, and its packets. @throws {OverlayError} `ERR_LAB_FAILED` with what does not work */
export async function showWhole(lab: Lab, stage: Stage): Promise<void> {
  const { out, say } = stage;
  out.write(`\n${await pictureOf(lab)}\n`);
  say("leases in etcd (etcdctl get --prefix /coreos.com/network/subnets/):");
  out.write(indent(formatTable([...(await lab.etcd.leases())])));
  const { from, to } = await showPackets(lab, stage);
  say("the same way by traceroute:");
  out.write(indent(await traceRoute(from.pod, to.pod)));
  await checkNoLeak(lab, say);
}

/** What differs from a lab with another backend. @throws {OverlayError} `ERR_LAB_FAILED` with what does not work */
export async function showDifference(lab: Lab, stage: Stage): Promise<void> {
  stage.say("the hosts:");
  stage.out.write(indent(formatHosts(await reportHosts(lab))));
  await showPackets(lab, stage);
  await checkNoLeak(lab, stage.say);
}

async function showPackets(
  lab: Lab,
  { out, say, signal }: Stage,
): Promise<{ readonly from: PodPlace; readonly to: PodPlace }> {
  const places = lab.hosts.map((host) => ({ host, pod: host.pod }));
  const [from, to] = places;
  if (from === undefined || to === undefined) {
    throw new OverlayError("ERR_LAB_FAILED", "Cannot show the way of a packet: the lab has one host");
  }
  say(`every pod pings every other, ${PINGS} packets each:`);
  out.write(indent(await pingAll(places, signal)));
  say(`TCP from ${from.pod.name} to ${to.pod.name} for 1 s (iperf3):`);
  out.write(indent(await measureTcp(from, to, signal)));
  say(`the way of one packet from ${from.pod.name} to ${to.pod.name} (tcpdump at every device):`);
  out.write(indent(await followPacket(lab, from, to)));
  return { from, to };
}

async function checkNoLeak(lab: Lab, say: (text: string) => void): Promise<void> {
  const { countsLeaks, backend } = lab.record;
  if (!countsLeaks) {
    say(`${backend.type} sends packets in clear, so there are no leaks to count`);
    return;
  }
  const leaked = await lab.leakedPackets();
  if (leaked > 0) {
    throw new OverlayError(
      "ERR_LAB_FAILED",
      `Cannot keep the overlay to itself: ${leaked} packets crossed the underlay in clear`,
    );
  }
  say("packets with an overlay address that crossed the underlay in clear: 0");
}

function indent(text: string): string {
  return `${text.trimEnd().replace(/^/gm, "    ")}\n\n`;
}
