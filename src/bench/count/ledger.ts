/**
 * The ledger of a UDP run: sent = received + drops, each drop with the place that counted it.
 *
 *   iperf3 > eth0 | pod1 > TUN > [agent] > eth0 | bridge | eth0 > socket > [agent] > TUN > pod1 | eth0 > iperf3
 *   sender's pod    sender's host                 underlay receiver's host                        receiver's pod
 *
 * The way is cut where every datagram is counted: at iperf3, at the pods' eth0, in the agents. Where the kernel carries,
 * there is none of these, a vxlan device in place of the TUN, or no device of its own.
 */
import { deviceOf, overlayDeviceOf, protocolOf } from "./snapshot.ts";
import type { NamespaceCounters, Snapshot } from "./snapshot.ts";
import { addUp, clamp, deviceDrop, ipDrop, protocolDrop, settle } from "./stretch.ts";
import type { Drop, Ledger, Settlement } from "./stretch.ts";
import { encapTotal, outwards, settleTunnel, tunQueueDrop, underlayDrops } from "./tunnel-ledger.ts";

/** A flood by iperf3, and what it says of it, without the first datagram, by which the client makes itself known. */
export interface Flood {
  readonly sentDatagrams: number;
  readonly deliveredDatagrams: number;
  readonly payloadBytes: number;
  /** Of its receiving socket. */
  readonly receiveBufferBytes: number;
}

/** Ethernet 14, IPv4 20, UDP 8. An ARP packet has just this size: counted as bytes without headers it is nothing. */
const HEADER_BYTES = 42;
/** iperf3's first datagram: one int. */
const FIRST_DATAGRAM_BYTES = 4;
/** The most that one merged packet can be: an IP packet. */
const MAX_MERGED_BYTES = 65_535;
/** The least that a packet in a socket's queue is charged with: struct sk_buff and the smallest buffer. */
const LEAST_CHARGE_BYTES = 576;

/** Draws up the ledger of the run between two snapshots, given as their difference. */
export function drawUpLedger(run: Snapshot, flood: Flood): Ledger {
  const { sender, senderHost, receiver } = run;
  const [out, back] = [deviceOf(sender, "eth0"), deviceOf(receiver, "eth0")];
  const sent = flood.sentDatagrams + 1;
  const left = countFlood(out.txPackets, out.txBytes, flood.payloadBytes);
  const arrived = countFlood(back.rxPackets, back.rxBytes, flood.payloadBytes);
  return {
    sent,
    received: flood.deliveredDatagrams + 1,
    ...addUp([
      settle({ from: sent, to: left, counted: [firstHopDrop(sender, senderHost)], mostPerDrop: 1 }),
      settleWay(run, { left, arrived, mostPerDrop: Math.ceil(MAX_MERGED_BYTES / flood.payloadBytes) }),
      settleEnd(receiver, arrived, flood),
    ]),
  };
}

/** Datagrams that a pod's device carried: its bytes without headers, whatever was merged on the way. */
export function countFlood(packets: number, bytes: number, payloadBytes: number): number {
  return (bytes - HEADER_BYTES * packets - FIRST_DATAGRAM_BYTES) / payloadBytes + 1;
}

/** From the eth0 of one pod to that of the other. */
function settleWay(
  run: Snapshot,
  { left, arrived, mostPerDrop }: Record<"left" | "arrived" | "mostPerDrop", number>,
): Settlement {
  const { senderHost, receiverHost, receiver, agents } = run;
  const direction = outwards(run);
  const toTunnel = [ipDrop(senderHost, "sender's host: IP"), overlayEntryDrop(run)];
  const fromTunnel = [
    ipDrop(receiverHost, "receiver's host: IP"),
    deviceDrop(receiver, "receiver's pod: backlog of eth0", "eth0", "rxDropped"),
  ];
  if (agents === null) {
    const way = [refusedSends(run), ...underlayDrops(direction), overlayExitDrop(run)];
    const counted = [...toTunnel, ...way, ...fromTunnel];
    return settle({ from: left, to: arrived, counted, mostPerDrop: 1 });
  }
  const ends = { encap: agents.sender, decap: agents.receiver };
  const delivered = agents.receiver.decapDelivered ?? 0;
  return addUp([
    settle({ from: left, to: encapTotal(agents.sender), counted: toTunnel, mostPerDrop: 1 }),
    settleTunnel(direction, ends),
    settle({ from: delivered, to: arrived, counted: fromTunnel, mostPerDrop }),
  ]);
}

/** The end of the way: what reached the receiver's eth0 and was not read by iperf3. */
function settleEnd(receiver: NamespaceCounters, arrived: number, flood: Flood): Settlement {
  const errors = protocolDrop(receiver, "receiver's pod: iperf3's socket", "Udp.InErrors");
  // What came when iperf3 had closed its socket found no port, or was in the socket's queue then. With no port a merged
  // packet counts as one; in a socket's queue it is cut before it is counted.
  const late = protocolOf(receiver, "Udp.NoPorts");
  const mostPerDrop = Math.ceil(MAX_MERGED_BYTES / flood.payloadBytes);
  const received = flood.deliveredDatagrams + 1;
  const rest = arrived - received - errors.packets;
  const explained = clamp(rest, late, late * mostPerDrop + mostUnread(flood));
  const notInResult = Math.abs(received - protocolOf(receiver, "Udp.InDatagrams"));
  return {
    drops: [errors, { where: "receiver's pod: after iperf3's end", packets: explained }],
    unaccounted: Math.abs(rest - explained) + notInResult,
  };
}

/** The most datagrams in a socket's queue: the kernel takes one more when the ones in it do not fill it. */
function mostUnread({ receiveBufferBytes }: Flood): number {
  return Math.floor(receiveBufferBytes / LEAST_CHARGE_BYTES) + 1;
}

/**
 * A packet that the full backlog at the other end of the pod's veth drops is counted there, by its socket and by IP, or
 * by some of these: so the largest is taken.
 */
function firstHopDrop(sender: NamespaceCounters, senderHost: NamespaceCounters): Drop {
  const counts = [
    protocolOf(sender, "Udp.SndbufErrors"),
    protocolOf(sender, "Ip.OutDiscards"),
    deviceOf(senderHost, "pod1").rxDropped,
  ];
  return { where: "sender's pod: socket, or backlog of its veth", packets: Math.max(...counts) };
}

/**
 * Where packets go into the overlay's device. Of the kernel's vxlan a packet that the backlog behind eth0 drops is one that
 * the device could not send, too.
 */
function overlayEntryDrop(run: Snapshot): Drop {
  const { senderHost, underlay, overlay } = run;
  if (overlay?.kind !== "vxlan") return tunQueueDrop(outwards(run));
  const refused = overlayDeviceOf(senderHost, overlay).txDropped - deviceOf(underlay, "h1").rxDropped;
  return { where: "sender's host: vxlan device", packets: Math.max(0, refused) };
}

/** Where packets come out of the overlay's device. */
function overlayExitDrop({ receiverHost, overlay }: Snapshot): Drop {
  const where = overlay?.kind === "vxlan" ? "receiver's host: vxlan device" : "receiver's host: TUN";
  return { where, packets: overlayDeviceOf(receiverHost, overlay).rxDropped };
}

/** Sends that the kernel refused a program without counters, less those that the backlog behind eth0 counts as well. */
function refusedSends({ senderHost, underlay }: Snapshot): Drop {
  const refused = protocolOf(senderHost, "Udp.SndbufErrors") - deviceOf(underlay, "h1").rxDropped;
  return { where: "sender's host: underlay socket", packets: Math.max(0, refused) };
}
