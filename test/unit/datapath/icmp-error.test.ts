import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NET_UNREACHABLE, TIME_EXCEEDED, TOO_BIG } from "../../../src/datapath/icmp-answers.ts";
import { MAX_ICMP_ERROR_BYTES, mayAnswer, writeIcmpError } from "../../../src/datapath/icmp-error.ts";
import { addressOf } from "../../support/ipv4.ts";
import {
  PROTOCOL,
  bytesFor,
  checksumOf,
  countingBytes,
  icmpErrorAbout,
  icmpPayload,
  packetOf,
} from "../../support/packets.ts";

const FROM = "10.244.1.0";
const TUN_ADDRESS = addressOf(FROM).value;

describe("writeIcmpError", () => {
  it("writes the example below, byte for byte", () => {
    const offender = packetOf({
      source: "10.244.1.5",
      destination: "10.244.99.1",
      payload: Buffer.from("c0de0035000c0000", "hex"),
    });
    const out = Buffer.alloc(MAX_ICMP_ERROR_BYTES, 0xee);
    const bytes = writeIcmpError(out, offender, TOO_BIG, TUN_ADDRESS, 1472);
    const ipHeader = "45c00038000040004001" + "2219" + "0af40100" + "0af40105"; // 56 bytes, DF, TTL 64, ICMP
    const icmpHeader = "0304" + "361c" + "0000" + "05c0"; // next-hop MTU 1472
    expect(out.subarray(0, 28).toString("hex")).toBe(ipHeader + icmpHeader);
    expect(out.subarray(28, bytes)).toEqual(offender);
  });

  it("agrees with the naive model about any packet, whatever the buffer held before", () => {
    fc.assert(
      fc.property(
        fc.nat(2_000),
        fc.nat(10),
        fc.constantFrom(NET_UNREACHABLE, TOO_BIG, TIME_EXCEEDED),
        fc.nat(65_535),
        (size, words, reason, mtu) => {
          const offender = packetOf({ payload: countingBytes(size), options: Buffer.alloc(words * 4, 1) });
          const out = Buffer.alloc(MAX_ICMP_ERROR_BYTES, 0xee);
          const bytes = writeIcmpError(out, offender, reason, TUN_ADDRESS, mtu);
          expect(out.subarray(0, bytes)).toEqual(
            icmpErrorAbout(offender, { from: FROM, ...reason, nextHopMtu: mtu }),
          );
        },
      ),
    );
  });

  it("has checksums that a receiver accepts", () => {
    const out = Buffer.alloc(MAX_ICMP_ERROR_BYTES);
    const bytes = writeIcmpError(out, packetOf(), TIME_EXCEEDED, TUN_ADDRESS, 0);
    expect([checksumOf(out.subarray(0, 20)), checksumOf(out.subarray(20, bytes))]).toEqual([0, 0]);
  });

  it("quotes no byte behind the packet: neither its padding nor an earlier packet", () => {
    const out = Buffer.alloc(MAX_ICMP_ERROR_BYTES);
    const offender = Buffer.concat([packetOf({ payload: countingBytes(2) }), Buffer.alloc(600, 0xaa)]);
    expect(writeIcmpError(out, offender, TIME_EXCEEDED, TUN_ADDRESS, 0)).toBe(28 + 22);
    expect(out.subarray(28 + 22).every((byte) => byte === 0)).toBe(true);
  });

  it("is 576 bytes at most", () => {
    const out = Buffer.alloc(MAX_ICMP_ERROR_BYTES);
    for (const [size, bytes] of [
      [547, 575],
      [548, 576],
      [549, 576],
      [65_535, 576],
    ] as const) {
      expect(writeIcmpError(out, packetOf({ payload: bytesFor(size) }), TIME_EXCEEDED, TUN_ADDRESS, 0)).toBe(
        bytes,
      );
    }
  });
});

describe("mayAnswer", () => {
  it("allows queries of ICMP and no other of its 256 types", () => {
    const types = Array.from({ length: 256 }, (_, type) => type);
    const allowed = types.filter((type) =>
      mayAnswer(packetOf({ protocol: PROTOCOL.icmp, payload: icmpPayload(type) })),
    );
    expect(allowed).toEqual([0, 8, 13, 14, 15, 16, 17, 18, 42, 43]);
  });

  it("allows the first fragment and no later one", () => {
    expect(mayAnswer(packetOf({ moreFragments: true }))).toBe(true);
    expect(mayAnswer(packetOf({ moreFragments: true, fragmentOffset: 1 }))).toBe(false);
    expect(mayAnswer(packetOf({ fragmentOffset: 0x1fff }))).toBe(false);
  });
});
