/**
 * The ledger of the tunnel, packet by packet, from the TUN of one host to the TUN of the other:
 *
 *   TUN > [agent] > eth0 | bridge | eth0 > socket > [agent] > TUN
 */
import { overlayDeviceOf } from "./snapshot.ts";
import type { AgentCounters, NamespaceCounters, OverlayDevice, Snapshot } from "./snapshot.ts";
import { addUp, deviceDrop, protocolDrop, settle } from "./stretch.ts";
import type { Drop, Ledger, Settlement, Stretch } from "./stretch.ts";

/** One direction through the tunnel. */
export interface TunnelDirection {
  /** Names of the two hosts in the ledger. */
  readonly fromName: string;
  readonly toName: string;
  readonly fromHost: NamespaceCounters;
  readonly toHost: NamespaceCounters;
  readonly underlay: NamespaceCounters;
  /** The sending host's port of the underlay's bridge. */
  readonly port: "h1" | "h2";
  readonly overlay: OverlayDevice | null;
}

/** The counters of the agents at its two ends. */
export interface TunnelEnds {
  readonly encap: AgentCounters;
  readonly decap: AgentCounters;
}

/** UDP_MAX_SEGMENTS from kernel 6.9 on: the most datagrams in one of UDP GSO and GRO. */
const MAX_MERGED_DATAGRAMS = 128;

const ENCAP_OUTCOME = /^encap(Sent$|Drop)/;
const DECAP_OUTCOME = /^decap(Delivered$|Drop)/;
/** Not read by the agent, only told of by the kernel, which counts it in `Udp.InErrors` too. */
const QUEUE_FULL = "decapDropQueueFull";

/** Both directions of a run, given as the difference of two snapshots. Null where no agent counts. */
export function drawUpTunnelLedger(run: Snapshot): Ledger | null {
  if (run.agents === null) return null;
  const { sender, receiver } = run.agents;
  const ways = [
    { direction: outwards(run), ends: { encap: sender, decap: receiver } },
    { direction: homewards(run), ends: { encap: receiver, decap: sender } },
  ];
  // Before an agent has read it, a packet of TCP may be a large one that counts as one.
  const queues = ways.map(({ direction }) => tunQueueDrop(direction));
  const parts = ways.map(({ direction, ends }) => settleTunnel(direction, ends));
  const read = ways.reduce((sum, { ends }) => sum + encapTotal(ends.encap), 0);
  return {
    sent: read + queues.reduce((sum, { packets }) => sum + packets, 0),
    received: ways.reduce((sum, { ends }) => sum + (ends.decap.decapDelivered ?? 0), 0),
    ...addUp([{ drops: queues, unaccounted: 0 }, ...parts]),
  };
}

/** The direction in which iperf3 and ping send. */
export function outwards({ senderHost, receiverHost, underlay, overlay }: Snapshot): TunnelDirection {
  return {
    fromName: "sender's",
    toName: "receiver's",
    fromHost: senderHost,
    toHost: receiverHost,
    underlay,
    port: "h1",
    overlay,
  };
}

function homewards({ senderHost, receiverHost, underlay, overlay }: Snapshot): TunnelDirection {
  return {
    fromName: "receiver's",
    toName: "sender's",
    fromHost: receiverHost,
    toHost: senderHost,
    underlay,
    port: "h2",
    overlay,
  };
}

/** From the reads of one agent to the writes of the other. */
export function settleTunnel(direction: TunnelDirection, { encap, decap }: TunnelEnds): Settlement {
  const { fromName, toName } = direction;
  return addUp([
    settle(agentStretch(`${fromName} agent`, encap, ENCAP_OUTCOME, "encapSent")),
    settle({
      from: encap.encapSent ?? 0,
      to: totalOf(decap, DECAP_OUTCOME),
      counted: underlayDrops(direction),
      mostPerDrop: MAX_MERGED_DATAGRAMS,
    }),
    settle(agentStretch(`${toName} agent`, decap, DECAP_OUTCOME, "decapDelivered")),
  ]);
}

/** Packets that an agent has read from its TUN. */
export function encapTotal(counters: AgentCounters): number {
  return totalOf(counters, ENCAP_OUTCOME);
}

/** Drops between the sending of one host and the reading of the other. */
export function underlayDrops({ toName, toHost, underlay, port }: TunnelDirection): Drop[] {
  return [
    deviceDrop(underlay, `underlay: backlog of ${port}`, port, "rxDropped"),
    deviceDrop(toHost, `${toName} host: backlog of eth0`, "eth0", "rxDropped"),
    protocolDrop(toHost, `${toName} host: underlay socket`, "Udp.InErrors"),
    protocolDrop(toHost, `${toName} host: no underlay socket`, "Udp.NoPorts"),
  ];
}

/** The TUN's queue was full: nobody read it as fast as the kernel filled it. */
export function tunQueueDrop({ fromName, fromHost, overlay }: TunnelDirection): Drop {
  const { txDropped } = overlayDeviceOf(fromHost, overlay);
  return { where: `${fromName} host: queue of the TUN`, packets: txDropped };
}

/** An agent counts what it drops packet by packet, by the reason. */
function agentStretch(where: string, counters: AgentCounters, outcome: RegExp, passed: string): Stretch {
  const counted = outcomesOf(counters, outcome)
    .filter(([name]) => name !== passed)
    .map(([name, packets]) => ({ where: `${where}: ${name}`, packets }));
  return { from: totalOf(counters, outcome), to: counters[passed] ?? 0, counted, mostPerDrop: 1 };
}

function totalOf(counters: AgentCounters, outcome: RegExp): number {
  return outcomesOf(counters, outcome).reduce((sum, [, packets]) => sum + packets, 0);
}

function outcomesOf(counters: AgentCounters, outcome: RegExp): [name: string, packets: number][] {
  return Object.entries(counters).filter(([name]) => outcome.test(name) && name !== QUEUE_FULL);
}
