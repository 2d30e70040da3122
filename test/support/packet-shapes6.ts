/** IPv6 packets that pass in either direction, and packets that pass in none: packet-shapes.ts for that family. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import { countingBytes } from "./packets.ts";
import { NEXT_HEADER, icmp6Payload, packet6Of, packet6With } from "./packets6.ts";
import type { Packet6Fields } from "./packets6.ts";

/** Addresses that name no host, with the reason: both ends of each range. */
export const NO_HOSTS6 = [
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["::ffff:0:0", "IPv4-mapped"],
  ["::ffff:af4:207", "IPv4-mapped"],
  ["::ffff:ffff:ffff", "IPv4-mapped"],
  ["fe80::", "link-local"],
  ["fe80::1", "link-local"],
  ["febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"],
  ["ff00::", "multicast"],
  ["ff02::2", "multicast"],
  ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"],
] as const;

/** Right beside what is refused. */
export const HOSTS6_AT_THE_EDGE = [
  "::2",
  "::1:0",
  "::fffe:ffff:ffff",
  "::1:0:0:0",
  "::1:ffff:0:0",
  "1::ffff:0:0",
  "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  "fec0::",
  "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

export const ICMP6_ERROR_TYPES = [1, 2, 3, 4];

/** Right packets of many kinds, in either direction. */
export function passingPackets6(ends: Packet6Fields): [string, Buffer][] {
  const packet = (fields: Packet6Fields): Buffer => packet6Of({ ...ends, ...fields });
  return [
    ...Object.entries(NEXT_HEADER).map(([name, nextHeader]): [string, Buffer] => [
      `IPv6 with next header ${name}`,
      packet({ nextHeader }),
    ]),
    ...[1, 7, 8, 500, 1_240, 1_432].map((size): [string, Buffer] => [
      `IPv6 with ${size} bytes of payload`,
      packet({ payload: countingBytes(size) }),
    ]),
    ...[2, 3, 128, 255].map((hopLimit): [string, Buffer] => [
      `IPv6 with a hop limit of ${hopLimit}`,
      packet({ hopLimit }),
    ]),
    ...ICMP6_ERROR_TYPES.map((type): [string, Buffer] => [
      `an ICMPv6 error of type ${type}`,
      packet({ nextHeader: NEXT_HEADER.icmp, payload: icmp6Payload(type) }),
    ]),
    [
      "IPv6 with every bit of traffic class and flow label",
      packet({ trafficClass: 255, flowLabel: 0xfffff }),
    ],
    [
      "IPv6 with extension headers",
      packet6With([{ type: NEXT_HEADER.hopByHop }, { type: NEXT_HEADER.fragment }], NEXT_HEADER.udp, ends),
    ],
    [
      "IPv6, a later fragment",
      packet6With([{ type: NEXT_HEADER.fragment, fragmentOffset: 185 }], NEXT_HEADER.udp, ends),
    ],
    ["IPv6 with one byte of padding", packet({ padding: Buffer.from([0xee]) })],
    ["IPv6 with 500 bytes of padding", packet({ payload: countingBytes(1), padding: countingBytes(500) })],
  ];
}

/** Packets that are no packets where a node carries IPv6, in either direction. */
export function malformedPackets6(
  ends: Packet6Fields,
  side: "encap" | "decap",
): [string, Buffer, CounterName][] {
  const packet = (fields: Packet6Fields): Buffer => packet6Of({ ...ends, ...fields });
  const right = packet({});
  return [
    ...[1, 19, 20, 21, 39].map((size): [string, Buffer, CounterName] => [
      `${size} bytes of IPv6`,
      right.subarray(0, size),
      `${side}DropShort`,
    ]),
    ...[0, 1, 2, 3, 5, 7, 8, 15].map((version): [string, Buffer, CounterName] => [
      `IPv6 but of version ${version}`,
      packet({ version }),
      `${side}DropVersion`,
    ]),
    ["IPv6 with a payload length of 0: a jumbogram", packet({ payloadLength: 0 }), `${side}DropTotalLength`],
    ["an IPv6 header alone", packet({ payload: Buffer.alloc(0) }), `${side}DropTotalLength`],
    ["IPv6, one byte short of its length", right.subarray(0, right.length - 1), `${side}DropTotalLength`],
    ["IPv6 of 84 bytes that says 9,000", packet({ payloadLength: 8_960 }), `${side}DropTotalLength`],
    ["IPv6 that says 65,575", packet({ payloadLength: 65_535 }), `${side}DropTotalLength`],
    [
      "IPv6 from a martian, one byte short of its length",
      packet({ source: "::1", payloadLength: 45 }),
      `${side}DropTotalLength`,
    ],
    ...NO_HOSTS6.flatMap(([address, kind]): [string, Buffer, CounterName][] => [
      [`from ${address}, ${kind}`, packet({ source: address }), `${side}DropMartian`],
      [`to ${address}, ${kind}`, packet({ destination: address }), `${side}DropMartian`],
    ]),
    [
      "IPv6 from a martian, with no hop left",
      packet({ source: "fe80::1", hopLimit: 0 }),
      `${side}DropMartian`,
    ],
  ];
}
