import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  MAX_ICMPV6_ERROR_BYTES,
  mayAnswerIpv6,
  writeIcmpv6Error,
} from "../../../src/datapath/icmpv6-error.ts";
import { ipv6BytesOf } from "../../../src/datapath/ipv6-range.ts";
import { address6Of } from "../../support/ipv6.ts";
import { countingBytes } from "../../support/packets.ts";
import {
  NEXT_HEADER,
  bytesFor6,
  icmp6ErrorAbout,
  icmp6Payload,
  packet6Of,
  packet6With,
} from "../../support/packets6.ts";

const FROM = "2001:db8:0:1::";
const TUN_ADDRESS = ipv6BytesOf(address6Of(FROM));
const { hopByHop, routing, fragment, destination, icmp } = NEXT_HEADER;

describe("writeIcmpv6Error", () => {
  it("writes the example below, byte for byte", () => {
    const offender = packet6Of({ payload: Buffer.from("c0de0035000c0000", "hex") });
    const out = Buffer.alloc(MAX_ICMPV6_ERROR_BYTES, 0xee);
    const bytes = writeIcmpv6Error(out, offender, 2, TUN_ADDRESS, 1_450);
    const ipHeader =
      "6c00000000383a40" + "20010db8000000010000000000000000" + "20010db8000000010000000000000005";
    expect(out.subarray(0, 40).toString("hex")).toBe(ipHeader);
    expect(out.subarray(40, 42).toString("hex")).toBe("0200");
    expect(out.subarray(42, 44).toString("hex")).toBe("0e81"); // checksum, over the pseudo-header too
    expect(out.subarray(44, 48).toString("hex")).toBe("000005aa"); // MTU 1450
    expect(out.subarray(48, bytes)).toEqual(offender);
  });

  it("agrees with the naive model about any packet, whatever the buffer held before", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3_000 }),
        fc.constantFrom(1, 2, 3),
        fc.nat(70_000),
        fc.nat(60),
        (size, type, mtu, paddingBytes) => {
          const offender = packet6Of({
            payload: countingBytes(size),
            padding: Buffer.alloc(paddingBytes, 0xaa),
          });
          const out = Buffer.alloc(MAX_ICMPV6_ERROR_BYTES, 0xee);
          const bytes = writeIcmpv6Error(out, offender, type, TUN_ADDRESS, mtu);
          expect(out.subarray(0, bytes)).toEqual(icmp6ErrorAbout(offender, { from: FROM, type, mtu }));
        },
      ),
    );
  });

  it("is 1,280 bytes at most", () => {
    const out = Buffer.alloc(MAX_ICMPV6_ERROR_BYTES);
    const lengths = [1_231, 1_232, 1_233, 65_575].map((size) =>
      writeIcmpv6Error(out, packet6Of({ payload: bytesFor6(size) }), 3, TUN_ADDRESS, 0),
    );
    expect(lengths).toEqual([1_279, 1_280, 1_280, 1_280]);
  });
});

describe("mayAnswerIpv6", () => {
  it("allows queries of ICMPv6 and no other of its 256 types", () => {
    const types = Array.from({ length: 256 }, (_, type) => type);
    const allowed = types.filter((type) =>
      mayAnswerIpv6(packet6Of({ nextHeader: icmp, payload: icmp6Payload(type) })),
    );
    expect(allowed).toEqual([128, 129, 139, 140]);
  });

  it("finds ICMPv6 behind any chain of up to 8 extension headers, and gives up behind more", () => {
    const extension = fc.record({
      type: fc.constantFrom(hopByHop, routing, destination),
      length: fc.nat(4),
    });
    fc.assert(
      fc.property(fc.array(extension, { maxLength: 12 }), fc.constantFrom(1, 128), (extensions, type) => {
        const packet = packet6With(extensions, icmp, { payload: icmp6Payload(type) });
        expect(mayAnswerIpv6(packet)).toBe(type === 128 && extensions.length <= 8);
      }),
    );
  });

  it("allows a fragment only when its offset is 0, wherever its header stands", () => {
    for (const front of [[], [{ type: hopByHop, length: 2 }]]) {
      for (const [fragmentOffset, isAllowed] of [
        [0, true],
        [1, false],
        [0x1fff, false],
      ] as const) {
        const packet = packet6With([...front, { type: fragment, fragmentOffset }], NEXT_HEADER.udp);
        expect(mayAnswerIpv6(packet)).toBe(isAllowed);
      }
    }
  });

  it("reads nothing behind the packet, for any bytes", () => {
    const types = fc.constantFrom(hopByHop, routing, fragment, destination, icmp, 17);
    fc.assert(
      fc.property(
        types,
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.array(types),
        (first, bytes, next) => {
          const payload = Buffer.from(bytes);
          next.forEach((type, i) => {
            if (i * 8 + 1 >= payload.length) return;
            payload[i * 8] = type;
            payload[i * 8 + 1] = 0;
          });
          const packet = packet6Of({ nextHeader: first, payload });
          const answer = mayAnswerIpv6(packet);
          for (const filler of [0x00, 0x3a, 0x80, 0xff]) {
            expect(mayAnswerIpv6(Buffer.concat([packet, Buffer.alloc(2_100, filler)]))).toBe(answer);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
