import { describe, expect, it } from "vitest";
import { parseIperfOutput } from "../../../../src/lab/measure/iperf.ts";

describe("parseIperfOutput", () => {
  it("reads what arrived, not what was sent", () => {
    const json = JSON.stringify({
      end: {
        sum_sent: { bytes: 900, bits_per_second: 7200, retransmits: 3 },
        sum_received: { bytes: 800, bits_per_second: 6400 },
      },
    });
    expect(parseIperfOutput(json)).toEqual({ receivedBytes: 800, bitsPerSecond: 6400, retransmits: 3 });
  });

  it.each(["", "{}", '{"error":"unable to connect"}', '{"end":{"sum_received":{"bytes":"800"}}}'])(
    "gives null for %j",
    (json) => {
      expect(parseIperfOutput(json)).toBeNull();
    },
  );
});
