/** Packets that pass in either direction, and packets that pass in none. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import { PROTOCOL, countingBytes, icmpPayload, packetOf } from "./packets.ts";
import type { PacketFields } from "./packets.ts";

/** Addresses that name no host, with the reason. */
export const NO_HOSTS = [
  ["0.0.0.0", "this network"],
  ["0.1.2.3", "this network"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["169.254.0.1", "link-local"],
  ["169.254.255.255", "link-local"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.255", "multicast"],
  ["240.0.0.1", "class E"],
  ["255.255.255.255", "broadcast"],
] as const;
export const ICMP_ERROR_TYPES = [3, 4, 5, 11, 12];
/** Three no-ops, end of the list, router alert (RFC 2113). */
export const OPTIONS = Buffer.from("0101010094040000", "hex");
export const LONGEST_OPTIONS = Buffer.alloc(40, 1);

/** From IPv6's all-day noise: a router solicitation to ff02::2. */
const ROUTER_SOLICITATION = Buffer.from(
  "6000000000083afffe800000000000000000000000000001ff02000000000000000000000000000285007bb600000000",
  "hex",
);

/** Right packets of many kinds, in either direction. */
export function passingPackets(ends: PacketFields): [string, Buffer][] {
  const packet = (fields: PacketFields): Buffer => packetOf({ ...ends, ...fields });
  return [
    ...Object.entries(PROTOCOL).map(([name, protocol]): [string, Buffer] => [
      `of protocol ${name}`,
      packet({ protocol }),
    ]),
    ...[0, 1, 2, 7, 8, 63, 500, 1_279, 1_451].map((size): [string, Buffer] => [
      `with ${size} bytes of payload`,
      packet({ payload: countingBytes(size) }),
    ]),
    ...[2, 3, 128, 254, 255].map((ttl): [string, Buffer] => [
      `with a time to live of ${ttl}`,
      packet({ ttl }),
    ]),
    ...ICMP_ERROR_TYPES.map((type): [string, Buffer] => [
      `an ICMP error of type ${type}`,
      packet({ protocol: PROTOCOL.icmp, payload: icmpPayload(type) }),
    ]),
    ["with options", packet({ options: OPTIONS })],
    ["with the longest options", packet({ options: LONGEST_OPTIONS })],
    ["the first fragment", packet({ moreFragments: true })],
    ["a middle fragment", packet({ moreFragments: true, fragmentOffset: 185 })],
    ["the last fragment", packet({ fragmentOffset: 370 })],
    ["a fragment at the highest offset", packet({ fragmentOffset: 8_191, payload: countingBytes(8) })],
    ["with DF", packet({ dontFragment: true })],
    ["with every bit of the TOS", packet({ tos: 0xff })],
    ["with one byte of padding", packet({ padding: Buffer.from([0xee]) })],
    [
      "padded to the least Ethernet payload",
      packet({ payload: countingBytes(6), padding: countingBytes(20) }),
    ],
    ["with padding behind a header alone", packet({ payload: Buffer.alloc(0), padding: countingBytes(500) })],
    ["whose checksum is 0", packetWithChecksum(0x0000, ends)],
    ["whose checksum is 0 written as 0xffff", withChecksumOfOnes(packetWithChecksum(0x0000, ends))],
    ["whose checksum carries over", packetWithChecksum(0x00ff, ends)],
    ["whose checksum becomes 0", packetWithChecksum(0xfeff, ends)],
  ];
}

/** Packets that are no packets, in either direction. */
export function malformedPackets(
  ends: PacketFields,
  side: "encap" | "decap",
): [string, Buffer, CounterName][] {
  const packet = (fields: PacketFields): Buffer => packetOf({ ...ends, ...fields });
  const right = packet({});
  const rightChecksum = right.readUInt16BE(10);
  return [
    ...Array.from({ length: 20 }, (_, size): [string, Buffer, CounterName] => [
      `of ${size} bytes`,
      right.subarray(0, size),
      `${side}DropShort`,
    ]),
    ...Array.from({ length: 16 }, (_, version): [string, Buffer, CounterName] => [
      `of version ${version}`,
      packet({ version }),
      side === "encap" && version === 6 ? "encapDropIpv6" : `${side}DropVersion`,
    ]).filter((_, version) => version !== 4),
    [
      `an IPv6 router solicitation`,
      ROUTER_SOLICITATION,
      side === "encap" ? "encapDropIpv6" : "decapDropVersion",
    ],
    ...[0, 1, 2, 3, 4].map((ihl): [string, Buffer, CounterName] => [
      `with a header of ${ihl * 4} bytes`,
      packet({ ihl }),
      `${side}DropHeaderLength`,
    ]),
    [
      "with a header of 60 bytes in 20",
      packet({ ihl: 15, payload: Buffer.alloc(0), totalLength: 60 }),
      `${side}DropHeaderLength`,
    ],
    [
      "with a header of 24 bytes in 23",
      packet({ ihl: 6, payload: Buffer.alloc(3), totalLength: 24 }),
      `${side}DropHeaderLength`,
    ],
    ["with a total length of 0", packet({ totalLength: 0 }), `${side}DropTotalLength`],
    ["with a total length of 19", packet({ totalLength: 19 }), `${side}DropTotalLength`],
    [
      "shorter than its header by its total length",
      packet({ options: OPTIONS, totalLength: 27 }),
      `${side}DropTotalLength`,
    ],
    ["one byte short of its total length", right.subarray(0, right.length - 1), `${side}DropTotalLength`],
    [
      "of 100 bytes that says 9,000",
      packet({ payload: countingBytes(80), totalLength: 9_000 }),
      `${side}DropTotalLength`,
    ],
    ["that says 65,535", packet({ totalLength: 65_535 }), `${side}DropTotalLength`],
    [
      "with the checksum off by one",
      packet({ checksum: (rightChecksum + 1) % 65_536 }),
      `${side}DropChecksum`,
    ],
    [
      "with every bit of the checksum wrong",
      packet({ checksum: 0xffff - rightChecksum }),
      `${side}DropChecksum`,
    ],
    ["with no checksum", packet({ checksum: 0 }), `${side}DropChecksum`],
    ["with a wrong option byte", withBitFlipped(packet({ options: OPTIONS }), 27), `${side}DropChecksum`],
    ...[1, 3, 5, 6, 8, 9, 12, 19].map((at): [string, Buffer, CounterName] => [
      `with a wrong bit in byte ${at}`,
      withBitFlipped(packet({ padding: Buffer.alloc(4) }), at),
      `${side}DropChecksum`,
    ]),
  ];
}

/** Chooses the identification so that the header's checksum is this one. */
function packetWithChecksum(checksum: number, ends: PacketFields): Buffer {
  const plain = packetOf({ ...ends, identification: 0 }).readUInt16BE(10);
  return packetOf({ ...ends, identification: (plain - checksum + 0xffff) % 0xffff });
}

/** The other zero of one's complement, which RFC 1624 section 3 warns of: a sum of the header takes both. */
function withChecksumOfOnes(packet: Buffer): Buffer {
  packet.writeUInt16BE(0xffff, 10);
  return packet;
}

function withBitFlipped(packet: Buffer, at: number): Buffer {
  packet[at] = packet.readUInt8(at) ^ 1;
  return packet;
}
