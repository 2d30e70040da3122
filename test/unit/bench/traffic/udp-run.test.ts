import { describe, expect, it } from "vitest";
import { parseIperfUdpOutput } from "../../../../src/bench/traffic/udp-run.ts";

/** As iperf3 3.12 prints it; `packets` of what was received counts the lost ones, too. */
const END = {
  sum_sent: { seconds: 2.000018, bytes: 19541760, packets: 305340, lost_packets: 0, sender: true },
  sum_received: { seconds: 2.5, bytes: 6669440, packets: 305156, lost_packets: 200946, sender: false },
};

describe("parseIperfUdpOutput", () => {
  it("counts what was sent, and what arrived by its bytes", () => {
    expect(parseIperfUdpOutput(JSON.stringify({ end: END }), 64)).toEqual({
      sentDatagrams: 305340,
      deliveredDatagrams: 104210,
      seconds: 2.5,
    });
  });

  it.each([
    "",
    "{}",
    '{"error":"unable to connect"}',
    JSON.stringify({ end: { sum_sent: END.sum_sent } }),
    JSON.stringify({ end: { ...END, sum_received: { ...END.sum_received, seconds: 0 } } }),
  ])("gives null for %j", (json) => expect(parseIperfUdpOutput(json, 64)).toBeNull());
});
