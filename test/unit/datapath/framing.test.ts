import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  VXLAN_FRAMING_BYTES,
  announcedVersionOf,
  checkVxlanFraming,
  framingBytesOf,
  maxInnerBytesOf,
  requireFraming,
  writeVxlanFraming,
} from "../../../src/datapath/framing.ts";
import { COUNTER } from "../../../src/datapath/packet-counters.ts";
import { MacAddress } from "../../../src/net/mac.ts";
import { frameOf } from "../../support/frames.ts";
import { packetOf } from "../../support/packets.ts";
import { packet6Of } from "../../support/packets6.ts";

const OWN_MAC = new MacAddress(0x00005e005301);
const PEER_MAC = new MacAddress(0x00005e00530a);

describe("writeVxlanFraming", () => {
  it("writes the example below, byte for byte", () => {
    const out = Buffer.alloc(24, 0xee);
    writeVxlanFraming(out, { kind: "vxlan", vni: 0x812345, ownMac: OWN_MAC }, PEER_MAC, 6);
    const vxlan = "08000000" + "812345" + "00";
    expect(out.toString("hex")).toBe(vxlan + "00005e00530a" + "00005e005301" + "86dd" + "eeee");
  });

  it("agrees with the naive model for any VNI, MAC and version", () => {
    const mac = fc.nat(2 ** 31 - 1).map((value) => new MacAddress(value * 2 ** 17 + 5));
    fc.assert(
      fc.property(fc.nat(0xffffff), mac, mac, fc.constantFrom(4, 6), (vni, ownMac, peerMac, version) => {
        const out = Buffer.alloc(VXLAN_FRAMING_BYTES);
        writeVxlanFraming(out, { kind: "vxlan", vni, ownMac }, peerMac, version);
        const packet = version === 6 ? packet6Of() : packetOf();
        const [destinationMac, sourceMac] = [peerMac.toString(), ownMac.toString()];
        expect(Buffer.concat([out, packet])).toEqual(frameOf(packet, { vni, destinationMac, sourceMac }));
        const atPeer = { kind: "vxlan", vni, ownMac: peerMac } as const;
        expect(checkVxlanFraming(out, atPeer)).toBe(COUNTER.decapDelivered);
        expect(announcedVersionOf(out)).toBe(version);
      }),
    );
  });
});

describe("requireFraming", () => {
  it("refuses a VNI that has more than 24 bits, or is no whole number", () => {
    for (const vni of [-1, 2 ** 24, 1.5, NaN]) {
      expect(() => {
        requireFraming({ kind: "vxlan", vni, ownMac: OWN_MAC });
      }).toThrow(RangeError);
    }
  });

  it("takes both ends of the range, and bare packets", () => {
    for (const vni of [0, 2 ** 24 - 1]) requireFraming({ kind: "vxlan", vni, ownMac: OWN_MAC });
    requireFraming({ kind: "bare" });
    expect(framingBytesOf({ kind: "bare" })).toBe(0);
  });
});

describe("maxInnerBytesOf", () => {
  it("is what IPv4 and UDP leave of 65,535 bytes, without the framing", () => {
    expect(maxInnerBytesOf({ kind: "bare" })).toBe(65_507);
    expect(maxInnerBytesOf({ kind: "vxlan", vni: 1, ownMac: OWN_MAC })).toBe(65_485);
  });
});
