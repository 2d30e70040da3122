/**
 * A way between the pods for iperf3's control connection alone, so that during a flood of UDP the pods' eth0 carries
 * nothing but the flood, every packet of it can be counted, and the end of the test is not stuck in a full queue.
 *
 *   sender ctl0 198.51.100.1 ---- 198.51.100.2 ctl0 receiver      by rule: TCP port 5201 only
 */
import { IPERF_PORT } from "../../lab/measure/iperf.ts";
import type { BenchPlace } from "../bench-place.ts";

const DEVICE = "ctl0";
/** Documentation range TEST-NET-2 (RFC 5737 section 3). */
const SENDER_ADDRESS = "198.51.100.1";
const RECEIVER_ADDRESS = "198.51.100.2";
const TABLE = 100;
/** The control connection by its port, seen from each end. */
const SENDER_RULE = `ipproto tcp dport ${IPERF_PORT} lookup ${TABLE}`;
const RECEIVER_RULE = `ipproto tcp sport ${IPERF_PORT} lookup ${TABLE}`;

/** Makes the link; until {@link withControlLink} no packet takes it. */
export async function makeControlLink({ sender, receiver }: BenchPlace, signal: AbortSignal): Promise<void> {
  const peer = `peer name ${DEVICE} netns ${receiver.namespace.name}`;
  await sender.namespace.ip([`link add ${DEVICE} type veth ${peer}`], signal);
  const ends = [
    { at: sender, own: SENDER_ADDRESS, other: RECEIVER_ADDRESS, to: receiver },
    { at: receiver, own: RECEIVER_ADDRESS, other: SENDER_ADDRESS, to: sender },
  ];
  for (const { at, own } of ends) {
    await at.namespace.ip([`addr add ${own}/30 dev ${DEVICE}`, `link set ${DEVICE} up`], signal);
  }
  for (const { at, other, to } of ends) {
    await at.namespace.ip(
      [`route add ${to.address} via ${other} dev ${DEVICE} src ${at.address} table ${TABLE}`],
      signal,
    );
  }
}

/** Does `work` while TCP of iperf3 takes the link: for UDP tests, whose data is not TCP. */
export async function withControlLink<T>(
  { sender, receiver }: BenchPlace,
  work: () => Promise<T>,
): Promise<T> {
  await sender.namespace.ip([`rule add ${SENDER_RULE}`]);
  await receiver.namespace.ip([`rule add ${RECEIVER_RULE}`]);
  try {
    return await work();
  } finally {
    await sender.namespace.ip([`rule del ${SENDER_RULE}`]);
    await receiver.namespace.ip([`rule del ${RECEIVER_RULE}`]);
  }
}
