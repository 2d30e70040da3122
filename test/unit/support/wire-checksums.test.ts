/** The judge of the interop test must see each kind of fault. */
import { describe, expect, it } from "vitest";
import { frameOf } from "../../support/frames.ts";
import { PROTOCOL, checksumOf, countingBytes, icmpPayload, packetOf } from "../../support/packets.ts";
import { checkVxlanFrame } from "../../support/wire-checksums.ts";

const ENDS = { source: "10.244.1.2", destination: "10.244.2.2" };
const ETHERNET = Buffer.concat([Buffer.alloc(12), Buffer.from("0800", "hex")]);

/** A transport segment with the right checksum at `checksumAt`, for these ends. */
function summed(segment: Buffer, protocol: number, checksumAt: number, ends = ENDS): Buffer {
  const length = Buffer.from([segment.length >> 8, segment.length % 256]);
  const addresses = [ends.source, ends.destination].map((text) => Buffer.from(text.split(".").map(Number)));
  const pseudo = Buffer.concat([...addresses, Buffer.from([0, protocol]), length]);
  segment.writeUInt16BE(0, checksumAt);
  segment.writeUInt16BE(checksumOf(Buffer.concat([pseudo, segment])), checksumAt);
  return segment;
}

const TCP = packetOf({
  ...ENDS,
  protocol: PROTOCOL.tcp,
  payload: summed(countingBytes(33), PROTOCOL.tcp, 16),
});
const UDP = packetOf({
  ...ENDS,
  protocol: PROTOCOL.udp,
  payload: summed(countingBytes(20), PROTOCOL.udp, 6),
});
const ICMP = packetOf({ ...ENDS, protocol: PROTOCOL.icmp, payload: icmpPayload(8) });

/** On the underlay, with padding behind; with an outer UDP checksum when `isSummed`. */
function onWire(inner: Buffer, isSummed = false): Buffer {
  const ends = { source: "192.0.2.1", destination: "192.0.2.2" };
  const datagram = Buffer.concat([Buffer.from("d431211800000000", "hex"), frameOf(inner)]);
  datagram.writeUInt16BE(datagram.length, 4);
  const payload = isSummed ? summed(datagram, PROTOCOL.udp, 6, ends) : datagram;
  return Buffer.concat([ETHERNET, packetOf({ ...ends, payload }), Buffer.alloc(4)]);
}

/** What it says of the frame with the bits of one byte turned. */
function faultsWith(frame: Buffer, at: number): readonly string[] {
  const damaged = Buffer.from(frame);
  damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
  return checkVxlanFrame(damaged).faults;
}

const OUTER_TTL_AT = 14 + 8;
const VXLAN_AT = 14 + 20 + 8;
const INNER_AT = VXLAN_AT + 22;
const INNER_TTL_AT = INNER_AT + 8;
const PAYLOAD_AT = INNER_AT + 20;

describe("checkVxlanFrame", () => {
  it.each([
    ["TCP", TCP],
    ["UDP", UDP],
    ["ICMP", ICMP],
  ])("finds no fault in a right frame of %s, and each one in a wrong one", (name, inner) => {
    expect(checkVxlanFrame(onWire(inner))).toMatchObject({
      source: "192.0.2.1",
      innerSource: ENDS.source,
      innerProtocol: inner.readUInt8(9),
      faults: [],
    });
    expect(faultsWith(onWire(inner), OUTER_TTL_AT)).toEqual(["outer IP header"]);
    expect(faultsWith(onWire(inner), INNER_TTL_AT)).toEqual(["inner IP header"]);
    expect(faultsWith(onWire(inner), PAYLOAD_AT)).toEqual([`inner ${name}`]);
  });

  it("looks at the outer UDP checksum where there is one", () => {
    expect(checkVxlanFrame(onWire(ICMP, true)).faults).toEqual([]);
    expect(faultsWith(onWire(ICMP, true), VXLAN_AT + 1)).toEqual(["outer UDP"]);
    expect(faultsWith(onWire(ICMP), VXLAN_AT + 1)).toEqual([]);
  });

  it("wants an inner UDP checksum", () => {
    const unsummed = packetOf({ ...ENDS, payload: Buffer.from("1388138800080000", "hex") });
    expect(checkVxlanFrame(onWire(unsummed)).faults).toEqual(["inner UDP"]);
  });

  it("looks at the header alone of a fragment", () => {
    const fragment = packetOf({ ...ENDS, moreFragments: true });
    expect(checkVxlanFrame(onWire(fragment)).faults).toEqual([]);
    expect(faultsWith(onWire(fragment), INNER_TTL_AT)).toEqual(["inner IP header"]);
  });
});
