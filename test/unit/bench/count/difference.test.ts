import { describe, expect, it } from "vitest";
import { differenceOf } from "../../../../src/bench/count/difference.ts";
import { snapshotOf } from "./snapshots.ts";

describe("differenceOf", () => {
  it("subtracts counter by counter, in every place", () => {
    const before = snapshotOf({
      sender: { devices: { eth0: { txPackets: 1, txBytes: 10, txDropped: 2 } } },
      underlay: { devices: { h1: { rxPackets: 3, rxBytes: 30, rxDropped: 4 } } },
      receiver: { protocols: { "Udp.NoPorts": 5 } },
      agents: { sender: { encapSent: 6 }, receiver: { decapDelivered: 7 } },
    });
    const after = snapshotOf({
      sender: { devices: { eth0: { txPackets: 11, txBytes: 110, txDropped: 12 } } },
      underlay: { devices: { h1: { rxPackets: 23, rxBytes: 230, rxDropped: 24 } } },
      receiver: { protocols: { "Udp.NoPorts": 35 } },
      agents: { sender: { encapSent: 46 }, receiver: { decapDelivered: 57 } },
    });
    expect(differenceOf(before, after)).toEqual(
      snapshotOf({
        sender: { devices: { eth0: { txPackets: 10, txBytes: 100, txDropped: 10 } } },
        underlay: { devices: { h1: { rxPackets: 20, rxBytes: 200, rxDropped: 20 } } },
        receiver: { protocols: { "Udp.NoPorts": 30 } },
        agents: { sender: { encapSent: 40 }, receiver: { decapDelivered: 50 } },
      }),
    );
  });

  it("keeps the name of the overlay's device", () => {
    const overlay = { name: "flannel.1", kind: "vxlan" } as const;
    expect(differenceOf(snapshotOf({ overlay }), snapshotOf({ overlay })).overlay).toEqual(overlay);
  });

  it("counts from 0 what was not there before", () => {
    const after = snapshotOf({
      senderHost: { devices: { flannel0: { txDropped: 3 } }, protocols: { "Udp.NoPorts": 2 } },
    });
    expect(differenceOf(snapshotOf({}), after)).toEqual(after);
  });
});
