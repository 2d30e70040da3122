import { describe, expect, it } from "vitest";
import { drawUpTunnelLedger } from "../../../../src/bench/count/tunnel-ledger.ts";
import { snapshotOf } from "./snapshots.ts";

describe("drawUpTunnelLedger", () => {
  it("is null where no agent counts", () => expect(drawUpTunnelLedger(snapshotOf({}))).toBeNull());

  it("adds up both directions", () => {
    const run = snapshotOf({
      senderHost: { devices: { flannel0: { txDropped: 3 } } },
      receiverHost: { protocols: { "Udp.InErrors": 1 } },
      underlay: { devices: { h2: { rxDropped: 2 } } },
      agents: {
        sender: { encapSent: 100, encapDropTtl: 4, decapDelivered: 48, decapDropStranger: 0 },
        receiver: { encapSent: 50, decapDelivered: 91, decapDropChecksum: 2, decapDropQueueFull: 1 },
      },
    });
    expect(drawUpTunnelLedger(run)).toEqual({
      sent: 157,
      received: 139,
      drops: [
        { where: "sender's host: queue of the TUN", packets: 3 },
        { where: "sender's agent: encapDropTtl", packets: 4 },
        { where: "receiver's host: underlay socket", packets: 7 },
        { where: "receiver's agent: decapDropChecksum", packets: 2 },
        { where: "underlay: backlog of h2", packets: 2 },
      ],
      unaccounted: 0,
    });
  });

  it("takes the queue of the TUN that packets go into", () => {
    const devices = { flannel0: { txDropped: 3 }, "flannel.1": { txDropped: 5 } };
    const run = snapshotOf({
      overlay: { name: "flannel.1", kind: "tun" },
      senderHost: { devices },
      agents: { sender: {}, receiver: {} },
    });
    expect(drawUpTunnelLedger(run)?.drops).toEqual([
      { where: "sender's host: queue of the TUN", packets: 5 },
    ]);
  });

  it("leaves unaccounted what vanished one way, whatever appeared the other way", () => {
    const run = snapshotOf({
      agents: {
        sender: { encapSent: 10, decapDelivered: 12 },
        receiver: { encapSent: 10, decapDelivered: 8 },
      },
    });
    expect(drawUpTunnelLedger(run)).toMatchObject({ sent: 20, received: 20, unaccounted: 4 });
  });
});
