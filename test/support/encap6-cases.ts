/** What an engine that carries IPv6 does with IPv6 packets that it reads from the TUN. See packet-table.ts. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import {
  EXTERNAL6,
  OVERLAY_MTU,
  OWN_POD,
  OWN_POD6,
  POD_A6,
  POD_B6,
  TUN_ADDRESS6,
  UNOWNED6,
} from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import { answered, dropped, passed } from "./packet-case.ts";
import type { PacketCase, PacketInput } from "./packet-case.ts";
import {
  HOSTS6_AT_THE_EDGE,
  ICMP6_ERROR_TYPES,
  malformedPackets6,
  passingPackets6,
} from "./packet-shapes6.ts";
import { countingBytes, packetOf } from "./packets.ts";
import { NEXT_HEADER, bytesFor6, icmp6Payload, packet6Of, packet6With } from "./packets6.ts";
import type { Extension, Packet6Fields } from "./packets6.ts";

const { hopByHop, routing, fragment, destination, icmp, udp, none } = NEXT_HEADER;
const ICMP6_QUERY_TYPES = [128, 129, 139, 140];
/** Unassigned, private, or never sent beyond a link. */
const OTHER_ICMP6_TYPES = [0, 5, 100, 127, 130, 133, 135, 138, 141, 255];

/** Every case of this direction. */
export function encap6Cases(): PacketCase[] {
  const withIpv6 = [...sentOn(), ...refusedOnes(), ...answeredOnes(), ...silentOnes(), ...sourceChecks()];
  return [...withIpv6.map((packetCase) => ({ ...packetCase, hasIpv6: true })), ...withoutIpv6()];
}

function sentOn(): PacketCase[] {
  return [
    ...passingPackets6({ source: OWN_POD6, destination: POD_A6 }).map(([name, packet]) =>
      sent(name, packet, "peerA"),
    ),
    sent("for the first address of an IPv6 subnet", packet6Of({ destination: "2001:db8:0:4::" }), "peerB"),
    sent(
      "for the last address of an IPv6 subnet",
      packet6Of({ destination: "2001:db8:0:7:ffff:ffff:ffff:ffff" }),
      "peerB",
    ),
    sent("for a pod in the middle of an IPv6 subnet", packet6Of({ destination: POD_B6 }), "peerB"),
    sent("from the TUN's own IPv6 address", packet6Of({ source: TUN_ADDRESS6 }), "peerA"),
    sent(
      "from the last address of our IPv6 subnet",
      packet6Of({ source: "2001:db8:0:1:ffff:ffff:ffff:ffff" }),
      "peerA",
    ),
    sent("IPv6 as long as the overlay MTU", packet6Of({ payload: bytesFor6(OVERLAY_MTU) }), "peerA"),
    sent("IPv4 where IPv6 is carried too", packetOf(), "peerA"),
  ];
}

function refusedOnes(): PacketCase[] {
  return [
    ...malformedPackets6({ source: OWN_POD6, destination: POD_A6 }, "encap").map(([name, packet, outcome]) =>
      refused(name, packet, outcome),
    ),
    refused("from a pod of peer A, IPv6", packet6Of({ source: POD_A6 }), "encapDropForeignSource"),
    refused("from outside the overlay, IPv6", packet6Of({ source: EXTERNAL6 }), "encapDropForeignSource"),
    refused(
      "from the address before our IPv6 subnet",
      packet6Of({ source: "2001:db8::ffff:ffff:ffff:ffff" }),
      "encapDropForeignSource",
    ),
    refused(
      "from the address after our IPv6 subnet",
      packet6Of({ source: "2001:db8:0:2::" }),
      "encapDropForeignSource",
    ),
    refused(
      "from outside to a pod of ours, IPv6, with no hop left",
      packet6Of({ source: EXTERNAL6, destination: OWN_POD6, hopLimit: 0 }),
      "encapDropForeignSource",
    ),
    refused(
      "to a pod of ours, IPv6, with no hop left",
      packet6Of({ destination: OWN_POD6, hopLimit: 1 }),
      "encapDropOwnDestination",
    ),
    refused(
      "to the TUN's own IPv6 address",
      packet6Of({ destination: TUN_ADDRESS6 }),
      "encapDropOwnDestination",
    ),
  ];
}

function answeredOnes(): PacketCase[] {
  return [
    timeExceeded("with a hop limit of 0", packet6Of({ hopLimit: 0 })),
    timeExceeded("with a hop limit of 1", packet6Of({ hopLimit: 1 })),
    timeExceeded("with no hop left, for nobody", packet6Of({ hopLimit: 1, destination: UNOWNED6 })),
    timeExceeded(
      "with no hop left and padding, which is not quoted",
      packet6Of({ hopLimit: 1, padding: countingBytes(30) }),
    ),
    timeExceeded("with no hop left, 1 byte of payload", packet6Of({ hopLimit: 1, payload: Buffer.alloc(1) })),
    timeExceeded(
      "with no hop left, 1,232 bytes: quoted whole",
      packet6Of({ hopLimit: 1, payload: bytesFor6(1_232) }),
    ),
    timeExceeded(
      "with no hop left, 1,233 bytes: quoted but one",
      packet6Of({ hopLimit: 1, payload: bytesFor6(1_233) }),
    ),
    timeExceeded(
      "with no hop left, longer than the MTU",
      packet6Of({ hopLimit: 1, payload: bytesFor6(3_000) }),
    ),
    unreachable("for nobody, IPv6", {}),
    unreachable("for nobody, from the TUN's own IPv6 address", { source: TUN_ADDRESS6 }),
    unreachable("for nobody, from the last address of our IPv6 subnet: no broadcast", {
      source: "2001:db8:0:1:ffff:ffff:ffff:ffff",
    }),
    unreachable("for the address before a peer's IPv6 subnet", {
      destination: "2001:db8:0:3:ffff:ffff:ffff:ffff",
    }),
    unreachable("for the address after a peer's IPv6 subnet", { destination: "2001:db8:0:8::" }),
    unreachable("for nobody, IPv6 longer than the MTU", { payload: bytesFor6(3_000) }),
    ...HOSTS6_AT_THE_EDGE.map((address) =>
      unreachable(`for ${address}, which could be a host`, { destination: address }),
    ),
    ...ICMP6_QUERY_TYPES.map((type) =>
      unreachable(`for nobody, ICMPv6 query type ${type}`, {
        nextHeader: icmp,
        payload: icmp6Payload(type),
      }),
    ),
    unreachable("for nobody, IPv6 with nothing behind its header", { nextHeader: none }),
    ...answeredChains().map(([name, extensions, upper, payload]) =>
      chained(`for nobody, IPv6 with ${name}`, extensions, upper, payload, true),
    ),
    tooBig("IPv6 one byte longer than the overlay MTU", packet6Of({ payload: bytesFor6(OVERLAY_MTU + 1) })),
    tooBig("IPv6 of 9,000 bytes", packet6Of({ payload: bytesFor6(9_000) })),
    tooBig("IPv6 of 65,508 bytes", packet6Of({ payload: bytesFor6(65_508) })),
    tooBig("IPv6 of 65,575 bytes, the longest there is", packet6Of({ payload: bytesFor6(65_575) })),
  ];
}

type Chain = readonly [name: string, extensions: readonly Extension[], upper: number, payload?: Buffer];

function answeredChains(): Chain[] {
  const eight = Array.from({ length: 8 }, (): Extension => ({ type: destination }));
  return [
    [
      "every kind of extension header",
      [hopByHop, destination, routing, fragment].map((type) => ({ type })),
      udp,
    ],
    [
      "long extension headers",
      [
        { type: hopByHop, length: 3 },
        { type: routing, length: 31 },
      ],
      udp,
    ],
    ["8 extension headers", eight, udp],
    ["an echo request behind 8 extension headers", eight, icmp, icmp6Payload(128)],
    [
      "an echo request behind a long extension header",
      [{ type: routing, length: 5 }],
      icmp,
      icmp6Payload(128),
    ],
    ["the first fragment of an echo request", [{ type: fragment }], icmp, icmp6Payload(128)],
    ["an extension header at its very end", [{ type: hopByHop }], udp, Buffer.alloc(0)],
    ["an unknown protocol behind an extension header", [{ type: hopByHop }], 253],
  ];
}

function silentOnes(): PacketCase[] {
  const silent = (name: string, fields: Packet6Fields): PacketCase =>
    refused(
      `for nobody, ${name}: not answered`,
      packet6Of({ destination: UNOWNED6, ...fields }),
      "encapDropNoPeer",
    );
  const cutShort = (name: string, payload: string): PacketCase =>
    silent(name, { nextHeader: destination, payload: Buffer.from(payload, "hex") });
  return [
    ...[...ICMP6_ERROR_TYPES, ...OTHER_ICMP6_TYPES].map((type) =>
      silent(`ICMPv6 type ${type}, which may be an error`, {
        nextHeader: icmp,
        payload: icmp6Payload(type),
      }),
    ),
    ...silentChains().map(([name, extensions, upper, payload]) =>
      chained(`for nobody, IPv6 with ${name}: not answered`, extensions, upper, payload, false),
    ),
    cutShort("7 bytes of an extension header", "11000000000000"),
    cutShort("2 bytes of an extension header", "1100"),
    cutShort("1 byte of an extension header", "11"),
    cutShort("an extension header longer than the packet", "1101000000000000" + "00000000000000"),
    cutShort("an extension header of 2,048 bytes in 8", "11ff000000000000"),
    silent("ICMPv6 whose type is padding", {
      nextHeader: destination,
      payload: Buffer.from("3a00000000000000", "hex"),
      padding: icmp6Payload(128),
    }),
    silent("an extension header that is padding", {
      nextHeader: destination,
      payload: Buffer.from("3c00000000000000", "hex"),
      padding: Buffer.from("1100000000000000", "hex"),
    }),
    refused(
      "an ICMPv6 error with no hop left: not answered",
      packet6Of({ hopLimit: 1, nextHeader: icmp, payload: icmp6Payload(1) }),
      "encapDropTtl",
    ),
    refused(
      "an ICMPv6 error longer than the MTU: not answered",
      packet6Of({ nextHeader: icmp, payload: icmp6Payload(3, 0, countingBytes(1_500)) }),
      "encapDropDontFragment",
    ),
  ];
}

function silentChains(): Chain[] {
  const nine = Array.from({ length: 9 }, (): Extension => ({ type: destination }));
  return [
    ["an ICMPv6 error behind an extension header", [{ type: hopByHop }], icmp, icmp6Payload(1)],
    ["an ICMPv6 error behind a long extension header", [{ type: routing, length: 5 }], icmp, icmp6Payload(1)],
    ["9 extension headers", nine, udp],
    ["a later fragment", [{ type: fragment, fragmentOffset: 1 }], udp],
    ["the fragment at the highest offset", [{ type: fragment, fragmentOffset: 8_191 }], udp],
    [
      "a later fragment behind an extension header",
      [{ type: hopByHop }, { type: fragment, fragmentOffset: 2 }],
      udp,
    ],
    ["ICMPv6 without a type behind an extension header", [{ type: hopByHop }], icmp, Buffer.alloc(0)],
  ];
}

function sourceChecks(): PacketCase[] {
  const foreign = packet6Of({ source: EXTERNAL6 });
  const count = { from: "tun", sourceCheck: "count" } as const;
  const off = { from: "tun", sourceCheck: "off" } as const;
  return [
    passed({ ...count, name: "from outside, IPv6, counted", packet: foreign }, "peerA", {
      encapForeignSource: 1,
    }),
    passed({ ...count, name: "from our IPv6 subnet, nothing to count", packet: packet6Of() }, "peerA"),
    passed({ ...off, name: "from outside, IPv6, not looked at", packet: foreign }, "peerA"),
    dropped(
      {
        ...count,
        name: "from outside for nobody, IPv6: neither counted nor answered",
        packet: packet6Of({ source: EXTERNAL6, destination: UNOWNED6 }),
      },
      "encapDropNoPeer",
    ),
    dropped(
      {
        ...off,
        name: "from outside with no hop left, IPv6: not answered",
        packet: packet6Of({ source: EXTERNAL6, hopLimit: 1 }),
      },
      "encapDropTtl",
    ),
    dropped(
      {
        ...off,
        name: "from outside, IPv6 of 9,000 bytes: not answered",
        packet: packet6Of({ source: EXTERNAL6, payload: bytesFor6(9_000) }),
      },
      "encapDropDontFragment",
    ),
  ];
}

/** A node that carries no IPv6: noise, whatever it is. */
function withoutIpv6(): PacketCase[] {
  const noise = (name: string, packet: Buffer): PacketCase => refused(name, packet, "encapDropIpv6");
  return [
    noise("IPv6 where none is carried", packet6Of()),
    noise("IPv6 where none is carried, with no hop left", packet6Of({ hopLimit: 1 })),
    noise("20 bytes of IPv6 where none is carried", packet6Of().subarray(0, 20)),
    refused("19 bytes of IPv6 where none is carried", packet6Of().subarray(0, 19), "encapDropShort"),
    sent("IPv4 from a node that carries no IPv6", packetOf({ source: OWN_POD }), "peerA"),
  ];
}

function timeExceeded(name: string, packet: Buffer): PacketCase {
  return answered({ ...input(`IPv6 ${name}`, packet) }, "encapDropTtl", { type: 3 });
}

function unreachable(name: string, fields: Packet6Fields): PacketCase {
  const packet = packet6Of({ destination: UNOWNED6, ...fields });
  return answered(input(name, packet), "encapDropNoPeer", { type: 1 });
}

function tooBig(name: string, packet: Buffer): PacketCase {
  return answered(input(name, packet), "encapDropDontFragment", { type: 2, mtu: OVERLAY_MTU });
}

function chained(
  name: string,
  extensions: readonly Extension[],
  upper: number,
  payload: Buffer | undefined,
  isAnswered: boolean,
): PacketCase {
  const fields = payload === undefined ? {} : { payload };
  const packet = packet6With(extensions, upper, { destination: UNOWNED6, ...fields });
  return isAnswered
    ? answered(input(name, packet), "encapDropNoPeer", { type: 1 })
    : refused(name, packet, "encapDropNoPeer");
}

function sent(name: string, packet: Buffer, to: Sender): PacketCase {
  return passed(input(name, packet), to);
}

function refused(name: string, packet: Buffer, outcome: CounterName): PacketCase {
  return dropped(input(name, packet), outcome);
}

function input(name: string, packet: Buffer): PacketInput {
  return { name, from: "tun", packet };
}
