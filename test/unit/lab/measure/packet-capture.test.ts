import { describe, expect, it } from "vitest";
import { decodeIpv4, parseTcpdumpHex } from "../../../../src/lab/measure/packet-capture.ts";

/** `tcpdump -x` of a datagram from 192.0.2.1:8285 to 192.0.2.2:8285 that carries the start of an inner packet. */
const OUTPUT = `08:00:00.000000 IP 192.0.2.1.8285 > 192.0.2.2.8285: UDP, length 20
\t0x0000:  4500 0030 0001 4000 4011 b6b8 c000 0201
\t0x0010:  c000 0202 205d 205d 001c 0000 4500 0014
\t0x0020:  0000 4000 3e01 1ee0 0af4 0702 0af4 0902
08:00:00.000001 IP 192.0.2.9.1 > 192.0.2.2.1: UDP, length 1
\t0x0000:  4500 001d
`;

describe("parseTcpdumpHex", () => {
  it("gives the bytes of the first packet only", () => {
    expect(parseTcpdumpHex(OUTPUT)).toHaveLength(48);
    expect(parseTcpdumpHex("0 packets captured\n")).toHaveLength(0);
  });
});

describe("decodeIpv4", () => {
  it("reads the outer header, and the inner one behind the UDP header", () => {
    const outer = decodeIpv4(parseTcpdumpHex(OUTPUT));
    expect(outer).toMatchObject({
      source: "192.0.2.1",
      destination: "192.0.2.2",
      ipTtl: 64,
      protocol: 17,
      totalBytes: 48,
    });
    const inner = decodeIpv4(outer?.payload.subarray(8) ?? Buffer.alloc(0));
    expect(inner).toMatchObject({
      source: "10.244.7.2",
      destination: "10.244.9.2",
      ipTtl: 62,
      protocol: 1,
      totalBytes: 20,
    });
  });

  it("skips options", () => {
    const packet = Buffer.from(`46${"00".repeat(23)}ff`, "hex");
    expect(decodeIpv4(packet)?.payload).toEqual(Buffer.from("ff", "hex"));
  });

  it.each(["", "45", `65${"00".repeat(19)}`, `44${"00".repeat(19)}`, `4f${"00".repeat(20)}`])(
    "gives null for %j",
    (hex) => {
      expect(decodeIpv4(Buffer.from(hex, "hex"))).toBeNull();
    },
  );
});
