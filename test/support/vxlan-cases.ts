/** What an engine with VXLAN framing does with packets and frames of both IP families. See packet-table.ts. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import { frameOf } from "./frames.ts";
import type { FrameFields } from "./frames.ts";
import {
  EXTERNAL,
  OVERLAY_MTU,
  OWN_POD,
  OWN_POD6,
  POD_A,
  POD_A6,
  POD_B,
  POD_B6,
  POD_C,
  UNOWNED,
  UNOWNED6,
  VNI,
  VTEP_MACS,
} from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import { answered, dropped, framed, passed } from "./packet-case.ts";
import type { PacketCase } from "./packet-case.ts";
import { bytesFor, countingBytes, packetOf } from "./packets.ts";
import { bytesFor6, packet6Of } from "./packets6.ts";

const FROM_A = packetOf({ source: POD_A, destination: OWN_POD });
const FROM_A6 = packet6Of({ source: POD_A6, destination: OWN_POD6 });

/** Every case, on a node that carries IPv6. */
export function vxlanCases(): PacketCase[] {
  return [
    ...[...sentOn(), ...refusedFromTun(), ...delivered(), ...refusedInside()].map((one) => framed(one)),
    ...deliveredFrames(),
    ...refusedFrames(),
  ].map((one) => ({ hasIpv6: true, ...one, name: `VXLAN, ${one.name}` }));
}

function sentOn(): PacketCase[] {
  const sent = (name: string, packet: Buffer, to: Sender): PacketCase =>
    passed({ name, from: "tun", packet }, to);
  return [
    sent("IPv4 to peer A", packetOf(), "peerA"),
    sent("IPv4 to peer B", packetOf({ destination: POD_B }), "peerB"),
    sent("IPv4 to peer C", packetOf({ destination: POD_C }), "peerC"),
    sent("IPv6 to peer A", packet6Of(), "peerA"),
    sent("IPv6 to peer B", packet6Of({ destination: POD_B6 }), "peerB"),
    sent("IPv4 with padding", packetOf({ padding: countingBytes(9) }), "peerA"),
    sent("IPv4 as long as a datagram with framing can be", packetOf({ payload: bytesFor(65_485) }), "peerA"),
    sent("IPv6 as long as the overlay MTU", packet6Of({ payload: bytesFor6(OVERLAY_MTU) }), "peerA"),
  ];
}

function refusedFromTun(): PacketCase[] {
  const drop = (name: string, packet: Buffer, outcome: CounterName): PacketCase =>
    dropped({ name, from: "tun", packet }, outcome);
  return [
    drop("IPv4 one byte longer than that", packetOf({ payload: bytesFor(65_486) }), "encapDropTooLong"),
    drop("IPv4 as long as a bare datagram", packetOf({ payload: bytesFor(65_507) }), "encapDropTooLong"),
    drop("from outside", packetOf({ source: EXTERNAL }), "encapDropForeignSource"),
    drop("of no version", packetOf({ version: 5 }), "encapDropVersion"),
    answered(
      { name: "IPv4 for nobody", from: "tun", packet: packetOf({ destination: UNOWNED }) },
      "encapDropNoPeer",
      {
        type: 3,
      },
    ),
    answered(
      { name: "IPv6 for nobody", from: "tun", packet: packet6Of({ destination: UNOWNED6 }) },
      "encapDropNoPeer",
      { type: 1 },
    ),
    answered(
      {
        name: "IPv4 too long, with DF",
        from: "tun",
        packet: packetOf({ payload: bytesFor(OVERLAY_MTU + 1), dontFragment: true }),
      },
      "encapDropDontFragment",
      { type: 3, code: 4, mtu: OVERLAY_MTU },
    ),
    {
      ...dropped({ name: "IPv6 where none is carried", from: "tun", packet: packet6Of() }, "encapDropIpv6"),
      hasIpv6: false,
    },
  ];
}

function delivered(): PacketCase[] {
  const arrives = (name: string, packet: Buffer, from: Sender = "peerA"): PacketCase =>
    passed({ name, from, packet }, "tun");
  return [
    arrives("IPv4 from peer A", FROM_A),
    arrives("IPv6 from peer A", FROM_A6),
    arrives("IPv6 from peer B", packet6Of({ source: POD_B6, destination: OWN_POD6 }), "peerB"),
    arrives("IPv4 from peer C", packetOf({ source: POD_C, destination: OWN_POD }), "peerC"),
    arrives(
      "IPv4 padded to the least Ethernet payload",
      packetOf({ source: POD_A, destination: OWN_POD, payload: countingBytes(6), padding: Buffer.alloc(20) }),
    ),
    arrives(
      "IPv4 as long as a frame can be",
      packetOf({ source: POD_A, destination: OWN_POD, payload: bytesFor(65_485) }),
    ),
  ];
}

/** Right frames around packets that are refused. */
function refusedInside(): PacketCase[] {
  const drop = (name: string, packet: Buffer, outcome: CounterName, from: Sender = "peerA"): PacketCase =>
    dropped({ name, from, packet }, outcome);
  const expired = { source: POD_A, destination: OWN_POD, ttl: 1 };
  return [
    drop("a stranger's frame", FROM_A, "decapDropStranger", "stranger"),
    drop("an empty frame", Buffer.alloc(0), "decapDropShort"),
    drop("19 bytes of IPv4", FROM_A.subarray(0, 19), "decapDropShort"),
    drop("39 bytes of IPv6", FROM_A6.subarray(0, 39), "decapDropShort"),
    drop("IPv4 one byte short of its length", FROM_A.subarray(0, -1), "decapDropTotalLength"),
    drop("IPv4 with no checksum", packetOf({ ...expired, checksum: 0 }), "decapDropChecksum"),
    drop("IPv4 to loopback", packetOf({ source: POD_A, destination: "127.0.0.1" }), "decapDropMartian"),
    drop(
      "IPv4 from a pod of peer B",
      packetOf({ source: POD_B, destination: OWN_POD }),
      "decapDropForeignSource",
    ),
    drop("IPv6 from a peer without IPv6", FROM_A6, "decapDropForeignSource", "peerC"),
    drop(
      "IPv6 to a pod of peer B",
      packet6Of({ source: POD_A6, destination: POD_B6 }),
      "decapDropForeignDestination",
    ),
    answered(
      { name: "IPv4 with no time to live", from: "peerA", packet: packetOf(expired) },
      "decapDropTtl",
      {
        type: 11,
      },
    ),
    answered(
      {
        name: "IPv6 with no hop left",
        from: "peerB",
        packet: packet6Of({ source: POD_B6, destination: OWN_POD6, hopLimit: 1 }),
      },
      "decapDropTtl",
      { type: 3 },
    ),
    { ...drop("IPv6 where none is carried", FROM_A6, "decapDropVersion"), hasIpv6: false },
  ];
}

function deliveredFrames(): PacketCase[] {
  const arrives = (name: string, fields: FrameFields): PacketCase =>
    framed(passed({ name, from: "peerA", packet: FROM_A }, "tun"), fields);
  const bits = Array.from({ length: 8 }, (_, i) => 1 << i);
  return [
    ...bits
      .filter((bit) => bit !== 0x08)
      .map((bit) => arrives(`reserved flag ${bit} set`, { flags: 0x08 + bit })),
    ...Array.from({ length: 24 }, (_, i) =>
      arrives(`bit ${i} of the first reserved field set`, {
        reserved: (2 ** i).toString(16).padStart(6, "0"),
      }),
    ),
    ...bits.map((bit) => arrives(`bit ${bit} of the last byte set`, { lastByte: bit })),
    arrives("every reserved bit set", { flags: 0xff, reserved: "ffffff", lastByte: 0xff }),
    arrives("the MAC of another VTEP as source", { sourceMac: VTEP_MACS.peerB }),
    arrives("a MAC of zeros as source", { sourceMac: "00:00:00:00:00:00" }),
  ];
}

function refusedFrames(): PacketCase[] {
  const drop = (name: string, packet: Buffer, fields: FrameFields, outcome: CounterName): PacketCase =>
    framed(dropped({ name, from: "peerA", packet }, outcome), fields);
  const cut = (size: number): PacketCase => ({
    ...dropped(
      { name: `${size} bytes of a frame`, from: "peerA", packet: frameOf(FROM_A).subarray(0, size) },
      "decapDropShort",
    ),
    framing: "vxlan",
  });
  const nothingRight: FrameFields = { vni: VNI + 1, destinationMac: VTEP_MACS.peerB, ethertype: "0806" };
  return [
    ...[0, 1, 7, 8, 14, 20, 21].map(cut),
    drop("the I flag clear", FROM_A, { flags: 0x00 }, "decapDropFrameFlags"),
    drop("every flag but I set", FROM_A, { flags: 0xf7 }, "decapDropFrameFlags"),
    drop(
      "the I flag clear and nothing else right",
      FROM_A,
      { ...nothingRight, flags: 0 },
      "decapDropFrameFlags",
    ),
    drop("VNI 0", FROM_A, { vni: 0 }, "decapDropFrameVni"),
    ...[0, 8, 16, 23].map((bit) =>
      drop(`bit ${bit} of the VNI wrong`, FROM_A, { vni: VNI ^ (1 << bit) }, "decapDropFrameVni"),
    ),
    drop("another VNI and nothing else right", FROM_A, nothingRight, "decapDropFrameVni"),
    ...[
      "00:00:5e:00:53:0b",
      "00:00:5e:00:53:00",
      "80:00:5e:00:53:01",
      "01:00:5e:00:53:01",
      "ff:ff:ff:ff:ff:ff",
    ].map((destinationMac) =>
      drop(`for MAC ${destinationMac}`, FROM_A, { destinationMac }, "decapDropFrameMac"),
    ),
    drop("another MAC and no ethertype", FROM_A, { ...nothingRight, vni: VNI }, "decapDropFrameMac"),
    ...["0806", "8100", "88a8", "86dc", "0801", "0000", "ffff"].map((ethertype) =>
      drop(`ethertype ${ethertype}`, FROM_A, { ethertype }, "decapDropFrameType"),
    ),
    drop("an empty frame of ARP", Buffer.alloc(0), { ethertype: "0806" }, "decapDropFrameType"),
    drop("IPv4 called IPv6", FROM_A, { ethertype: "86dd" }, "decapDropVersion"),
    drop("IPv6 called IPv4", FROM_A6, { ethertype: "0800" }, "decapDropVersion"),
    drop("20 bytes of IPv4 called IPv6", FROM_A.subarray(0, 20), { ethertype: "86dd" }, "decapDropVersion"),
    drop("39 bytes of IPv6 called IPv4", FROM_A6.subarray(0, 39), { ethertype: "0800" }, "decapDropVersion"),
    drop("19 bytes of IPv4 called IPv6", FROM_A.subarray(0, 19), { ethertype: "86dd" }, "decapDropShort"),
    drop("no version, called IPv4", packetOf({ version: 0 }), { ethertype: "0800" }, "decapDropVersion"),
    drop("no version, called IPv6", packetOf({ version: 15 }), { ethertype: "86dd" }, "decapDropVersion"),
  ];
}
