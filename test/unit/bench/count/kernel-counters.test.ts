import { describe, expect, it } from "vitest";
import {
  parseCpuTimes,
  parseDeviceCounters,
  parseProtocolCounters,
} from "../../../../src/bench/count/kernel-counters.ts";

describe("parseProtocolCounters", () => {
  it("joins the line of names with the line of numbers", () => {
    const text = `Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 20
Icmp: InMsgs InErrors
Icmp: 3 0
Udp: InDatagrams NoPorts InErrors
Udp: 104211 184 31796
`;
    expect(Object.fromEntries(parseProtocolCounters(text))).toEqual({
      "Ip.Forwarding": 1,
      "Ip.DefaultTTL": 64,
      "Ip.InReceives": 20,
      "Icmp.InMsgs": 3,
      "Icmp.InErrors": 0,
      "Udp.InDatagrams": 104211,
      "Udp.NoPorts": 184,
      "Udp.InErrors": 31796,
    });
  });
});

describe("parseDeviceCounters", () => {
  it("reads what iproute2 prints, by name", () => {
    const stats64 = {
      rx: { bytes: 1, packets: 2, errors: 0, dropped: 3, over_errors: 0, multicast: 0 },
      tx: { bytes: 4, packets: 5, errors: 0, dropped: 6, carrier_errors: 0, collisions: 0 },
    };
    const json = JSON.stringify([{ ifindex: 2, ifname: "eth0", mtu: 1472, stats64 }]);
    expect([...parseDeviceCounters(json)]).toEqual([
      ["eth0", { rxBytes: 1, rxPackets: 2, rxDropped: 3, txBytes: 4, txPackets: 5, txDropped: 6 }],
    ]);
  });
});

describe("parseCpuTimes", () => {
  it("counts all but idle and waiting for a disk, guests once, and tells steal apart", () => {
    //                 user nice system idle   iowait irq softirq steal guest guest_nice
    const text =
      "cpu  1000 200 300     900000 50     10  20      30    400   40\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
    expect(parseCpuTimes(text)).toEqual({ busySeconds: 15.6, stealSeconds: 0.3 });
  });

  it("refuses a text without the line of all CPUs", () => {
    expect(() => parseCpuTimes("cpu0 1 2 3\n")).toThrow(TypeError);
  });
});
