import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as ipv4 from "../../../src/datapath/ipv4-header.ts";
import { checksumOf, oneHopFurther, packetOf } from "../../support/packets.ts";

describe("internetSum", () => {
  it("sums the example of RFC 1071 section 3 to ddf2", () => {
    expect(ipv4.internetSum(Buffer.from("0001f203f4f5f6f7", "hex"), 0, 8)).toBe(0xddf2);
  });

  it("agrees with division by 2^16 - 1, for any bytes of any length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const buffer = Buffer.from(bytes);
        expect(~ipv4.internetSum(buffer, 0, buffer.length) & 0xffff).toBe(checksumOf(buffer));
      }),
    );
  });

  it("carries over twice", () => {
    expect(ipv4.internetSum(Buffer.from("ffffffff0001", "hex"), 0, 6)).toBe(1);
  });

  it("does not overflow on the longest packet", () => {
    const longest = Buffer.alloc(65_535, 0xff);
    expect(~ipv4.internetSum(longest, 0, longest.length) & 0xffff).toBe(checksumOf(longest));
  });

  it("sums nothing but the part asked for", () => {
    expect(ipv4.internetSum(Buffer.from("ffff0001f203ffff", "hex"), 2, 6)).toBe(0xf204);
  });
});

describe("takeHop", () => {
  it("agrees with a checksum summed anew, for every checksum there is", () => {
    const packet = packetOf({ payload: Buffer.alloc(0) });
    for (let identification = 0; identification <= 0xffff; identification++) {
      packet.writeUInt16BE(identification, 4);
      packet.writeUInt16BE(0, 10);
      packet.writeUInt16BE(checksumOf(packet), 10);
      const expected = oneHopFurther(packet);
      const hopped = Buffer.from(packet);
      ipv4.takeHop(hopped);
      if (!hopped.equals(expected)) expect(hopped.toString("hex")).toBe(expected.toString("hex"));
    }
  });

  it("agrees for every time to live and protocol", () => {
    for (let ttl = 1; ttl <= 255; ttl++) {
      for (const protocol of [0, 1, 6, 17, 254, 255]) {
        const packet = packetOf({ ttl, protocol });
        const expected = oneHopFurther(packet);
        ipv4.takeHop(packet);
        expect(packet.equals(expected)).toBe(true);
      }
    }
  });

  it("leaves a wrong checksum wrong", () => {
    const packet = packetOf({ checksum: 0x1234 });
    ipv4.takeHop(packet);
    expect(ipv4.internetSum(packet, 0, 20)).not.toBe(0xffff);
  });
});

describe("fields of a header", () => {
  const packet = packetOf({
    source: "192.0.2.1",
    destination: "203.0.113.255",
    options: Buffer.alloc(8, 1),
    ttl: 77,
    protocol: 132,
    fragmentOffset: 1,
  });

  it("are read from their places, addresses as unsigned numbers", () => {
    expect(ipv4.headerBytesOf(packet)).toBe(28);
    expect(ipv4.totalLengthOf(packet)).toBe(72);
    expect(ipv4.ipTtlOf(packet)).toBe(77);
    expect(ipv4.protocolOf(packet)).toBe(132);
    expect(ipv4.sourceOf(packet)).toBe(0xc0000201);
    expect(ipv4.destinationOf(packet)).toBe(0xcb0071ff);
  });

  it("tell DF, and fragments other than the first", () => {
    expect([packet, packetOf({ dontFragment: true })].map(ipv4.mustNotFragment)).toEqual([false, true]);
    const fragments = [
      packetOf(),
      packetOf({ moreFragments: true }),
      packet,
      packetOf({ fragmentOffset: 0x1fff }),
    ];
    expect(fragments.map(ipv4.isLaterFragment)).toEqual([false, false, true, true]);
  });
});
