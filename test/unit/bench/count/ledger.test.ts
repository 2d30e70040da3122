import { describe, expect, it } from "vitest";
import type { DeviceCounters } from "../../../../src/bench/count/kernel-counters.ts";
import { countFlood, drawUpLedger } from "../../../../src/bench/count/ledger.ts";
import type { AgentCounters } from "../../../../src/bench/count/snapshot.ts";
import type { Ledger } from "../../../../src/bench/count/stretch.ts";
import { snapshotOf } from "./snapshots.ts";
import type { GivenSnapshot } from "./snapshots.ts";

const PAYLOAD = 64;
const FRAME = 42 + PAYLOAD;
const FIRST_FRAME = 42 + 4;

/** Counters of a device that carried `datagrams` one by one, and iperf3's first before them. */
function carried(datagrams: number, direction: "rx" | "tx"): Partial<DeviceCounters> {
  const [packets, bytes] = [datagrams + 1, datagrams * FRAME + FIRST_FRAME];
  return direction === "rx" ? { rxPackets: packets, rxBytes: bytes } : { txPackets: packets, txBytes: bytes };
}

interface Way {
  readonly sent: number;
  /** At the receiver's eth0. */
  readonly arrived: number;
  readonly delivered: number;
}

function ledgerOf(way: Way, counted: GivenSnapshot = {}, receiveBufferBytes = 212_992): Ledger {
  const run = snapshotOf({
    ...counted,
    sender: {
      devices: { eth0: carried(way.sent, "tx") },
      ...counted.sender,
    },
    receiver: {
      devices: { eth0: { ...carried(way.arrived, "rx"), ...counted.receiver?.devices?.eth0 } },
      protocols: { "Udp.InDatagrams": way.delivered + 1, ...counted.receiver?.protocols },
    },
  });
  return drawUpLedger(run, {
    sentDatagrams: way.sent,
    deliveredDatagrams: way.delivered,
    payloadBytes: PAYLOAD,
    receiveBufferBytes,
  });
}

/** The sums of a ledger, as its reader checks them. */
function sumOf({ received, drops, unaccounted }: Ledger): number {
  return received + unaccounted + drops.reduce((sum, drop) => sum + drop.packets, 0);
}

describe("countFlood", () => {
  it("counts datagrams that were merged, and no ARP", () => {
    const merged = 42 + 10 * PAYLOAD;
    expect(countFlood(3, FIRST_FRAME + 2 * merged, PAYLOAD)).toBe(21);
    expect(countFlood(4, FIRST_FRAME + 2 * merged + 42, PAYLOAD)).toBe(21);
  });
});

describe("drawUpLedger", () => {
  it("has no drops when all arrives", () => {
    expect(ledgerOf({ sent: 1000, arrived: 1000, delivered: 1000 })).toEqual({
      sent: 1001,
      received: 1001,
      drops: [],
      unaccounted: 0,
    });
  });

  it("says where the kernel dropped", () => {
    const ledger = ledgerOf(
      { sent: 1000, arrived: 630, delivered: 500 },
      {
        senderHost: { devices: { flannel0: { txDropped: 300 } } },
        underlay: { devices: { h1: { rxDropped: 40, txDropped: 7 } } },
        receiverHost: { protocols: { "Udp.InErrors": 30, "Udp.RcvbufErrors": 30 } },
        receiver: { protocols: { "Udp.InErrors": 120, "Udp.NoPorts": 10 } },
      },
    );
    expect(ledger.drops).toEqual([
      { where: "sender's host: queue of the TUN", packets: 300 },
      { where: "underlay: backlog of h1", packets: 40 },
      { where: "receiver's host: underlay socket", packets: 30 },
      { where: "receiver's pod: iperf3's socket", packets: 120 },
      { where: "receiver's pod: after iperf3's end", packets: 10 },
    ]);
    expect(ledger.unaccounted).toBe(0);
    expect(sumOf(ledger)).toBe(ledger.sent);
  });

  it("takes what several counters tell of one drop once", () => {
    const sender = {
      devices: { eth0: { ...carried(990, "tx"), txDropped: 10 } },
      protocols: { "Udp.SndbufErrors": 10, "Ip.OutDiscards": 10 },
    };
    const senderHost = { devices: { pod1: { rxDropped: 10 } } };
    const ledger = ledgerOf({ sent: 1000, arrived: 990, delivered: 990 }, { sender, senderHost });
    expect(ledger.drops).toEqual([{ where: "sender's pod: socket, or backlog of its veth", packets: 10 }]);
    expect(ledger.unaccounted).toBe(0);
  });

  it.each([
    ["a datagram that nobody counted", { sent: 1000, arrived: 999, delivered: 999 }, 1],
    ["a datagram that nobody sent", { sent: 1000, arrived: 1001, delivered: 1001 }, 1],
    ["more unread than a socket's queue holds", { sent: 1000, arrived: 1000, delivered: 600 }, 30],
  ])("leaves unaccounted %s", (_what, way, unaccounted) => {
    expect(ledgerOf(way).unaccounted).toBe(unaccounted);
  });

  it.each([
    [212_992, 370],
    [576, 2],
    [425_984, 740],
  ])("takes a socket of %d bytes to hold up to %d unread", (receiveBufferBytes, most) => {
    const unaccounted = [most, most + 1].map(
      (unread) =>
        ledgerOf({ sent: 1000, arrived: 1000, delivered: 1000 - unread }, {}, receiveBufferBytes).unaccounted,
    );
    expect(unaccounted).toEqual([0, 1]);
  });

  it("leaves unaccounted what the kernel counted and nobody lost", () => {
    const senderHost = { devices: { flannel0: { txDropped: 5 } } };
    expect(ledgerOf({ sent: 1000, arrived: 1000, delivered: 1000 }, { senderHost }).unaccounted).toBe(5);
  });

  it("leaves unaccounted what the socket gave out and iperf3 does not know of", () => {
    const receiver = { protocols: { "Udp.InDatagrams": 998 } };
    expect(ledgerOf({ sent: 1000, arrived: 1000, delivered: 990 }, { receiver }).unaccounted).toBe(7);
  });

  it("puts down what was unread when iperf3 ended", () => {
    const ledger = ledgerOf({ sent: 1000, arrived: 1000, delivered: 700 });
    expect(ledger.drops).toEqual([{ where: "receiver's pod: after iperf3's end", packets: 300 }]);
    expect(ledger.unaccounted).toBe(0);
  });
});

describe("drawUpLedger where the kernel encapsulates", () => {
  const overlay = { name: "flannel.1", kind: "vxlan" } as const;

  it("asks the vxlan device at both ends", () => {
    const ledger = ledgerOf(
      { sent: 1000, arrived: 910, delivered: 910 },
      {
        overlay,
        senderHost: { devices: { "flannel.1": { txDropped: 70 } } },
        receiverHost: { devices: { "flannel.1": { rxDropped: 20 } } },
      },
    );
    expect(ledger.drops).toEqual([
      { where: "sender's host: vxlan device", packets: 70 },
      { where: "receiver's host: vxlan device", packets: 20 },
    ]);
    expect(ledger.unaccounted).toBe(0);
  });

  it("counts once what the backlog behind eth0 dropped and the device could not send", () => {
    const ledger = ledgerOf(
      { sent: 1000, arrived: 950, delivered: 950 },
      {
        overlay,
        senderHost: { devices: { "flannel.1": { txDropped: 50 } } },
        underlay: { devices: { h1: { rxDropped: 40 } } },
      },
    );
    expect(ledger.drops).toEqual([
      { where: "sender's host: vxlan device", packets: 10 },
      { where: "underlay: backlog of h1", packets: 40 },
    ]);
    expect(ledger.unaccounted).toBe(0);
  });

  it("looks at no device of another row", () => {
    const senderHost = { devices: { flannel0: { txDropped: 5 } } };
    for (const other of [overlay, null]) {
      const ledger = ledgerOf({ sent: 9, arrived: 9, delivered: 9 }, { overlay: other, senderHost });
      expect(ledger.unaccounted).toBe(0);
    }
  });
});

describe("drawUpLedger with agents that count", () => {
  const way = { sent: 1000, arrived: 600, delivered: 600 };
  const senderHost = { devices: { flannel0: { txDropped: 100 } } };
  const sender: AgentCounters = { encapSent: 890, encapDropSendBusy: 11, encapBytes: 12345, icmpSent: 3 };

  function withAgents(receiver: AgentCounters, more: GivenSnapshot = {}): Ledger {
    return ledgerOf(way, { senderHost, ...more, agents: { sender, receiver } });
  }

  it("names their drops, and knows a merged packet that the kernel counted once for its datagrams", () => {
    const receiverHost = { protocols: { "Udp.InErrors": 4 } };
    const receiver = { decapDelivered: 601, decapDropQueueFull: 4, decapDropChecksum: 9, decapMerged: 500 };
    const ledger = withAgents(receiver, { receiverHost });
    expect(ledger.drops).toEqual([
      { where: "sender's host: queue of the TUN", packets: 100 },
      { where: "sender's agent: encapDropSendBusy", packets: 11 },
      { where: "receiver's host: underlay socket", packets: 280 },
      { where: "receiver's agent: decapDropChecksum", packets: 9 },
    ]);
    expect(ledger.unaccounted).toBe(0);
    expect(sumOf(ledger)).toBe(ledger.sent);
  });

  it("leaves unaccounted what was lost between the agents when the kernel counted no drop", () => {
    expect(withAgents({ decapDelivered: 601 }).unaccounted).toBe(289);
  });

  it("leaves unaccounted more than merged packets can hold", () => {
    const receiverHost = { protocols: { "Udp.InErrors": 1 } };
    const sent = { encapSent: 5001 };
    const big = { sent: 5000, arrived: 1000, delivered: 1000 };
    const agents = { sender: sent, receiver: { decapDelivered: 1001 } };
    expect(ledgerOf(big, { receiverHost, agents }).unaccounted).toBe(4000 - 128);
  });

  it("leaves unaccounted what an agent wrote and the pod did not get", () => {
    const receiverHost = { protocols: { "Udp.InErrors": 4 } };
    expect(withAgents({ decapDelivered: 610 }, { receiverHost }).unaccounted).toBe(9);
  });

  it("does not let losses of one stretch make up for gains of another", () => {
    const agents = { sender: { encapSent: 991 }, receiver: { decapDelivered: 1001 } };
    expect(ledgerOf({ sent: 1000, arrived: 1000, delivered: 1000 }, { agents }).unaccounted).toBe(20);
  });
});
