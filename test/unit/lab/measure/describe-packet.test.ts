import { describe, expect, it } from "vitest";
import { describeCarried } from "../../../../src/lab/measure/describe-packet.ts";
import { decodeIpv4 } from "../../../../src/lab/measure/packet-capture.ts";
import type { CapturedPacket } from "../../../../src/lab/measure/packet-capture.ts";

/** An IPv4 header of a packet of 20 bytes: TTL 62, ICMP, 10.244.7.2 > 10.244.9.2. */
const INNER = "45000014000040003e011ee00af407020af40902";
const INNER_TEXT = "10.244.7.2 > 10.244.9.2, 20 bytes, TTL 62";
const OUTER = "192.0.2.1:8472 > 192.0.2.2:8472, UDP, 200 bytes, TTL 64";
const ETHERNET = "0e1122334455" + "02aabbccddee" + "0800";

/** A datagram between two hosts, with this payload in hex; its lengths are not looked at. */
function carried(payload: string): CapturedPacket {
  const header = "450000c80001400040110000c0000201c0000202";
  const packet = decodeIpv4(Buffer.from(`${header}2118211800000000${payload}`, "hex"));
  if (packet === null) throw new Error("The test's own packet is no IP packet");
  return packet;
}

describe("describeCarried", () => {
  it("finds a bare IP packet in a datagram", () => {
    expect(describeCarried(carried(INNER))).toEqual([OUTER, INNER_TEXT]);
  });

  it.each(["0800000000002a00", "8800000100002aff"])("finds a frame behind the VXLAN header %s", (header) => {
    expect(describeCarried(carried(header + ETHERNET + INNER))).toEqual([
      OUTER,
      "VXLAN, VNI 42, 02:aa:bb:cc:dd:ee > 0e:11:22:33:44:55",
      INNER_TEXT,
    ]);
  });

  it("says when a frame holds no IP packet", () => {
    expect(describeCarried(carried(`0800000000002a00${ETHERNET}ffff`)).at(-1)).toBe("no IP packet");
  });

  it.each(["", "08", "0800000000002a00", "00000000000000000000000000000000000000000000"])(
    "says when a datagram of %j holds neither",
    (payload) => expect(describeCarried(carried(payload))).toEqual([OUTER, "neither IP nor VXLAN"]),
  );

  it("says when nothing is around the pod's packet", () => {
    const bare = decodeIpv4(Buffer.from(INNER, "hex"));
    expect(bare && describeCarried(bare)).toEqual([`${INNER_TEXT}, not encapsulated`]);
  });
});
