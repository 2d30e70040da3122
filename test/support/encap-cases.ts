/** What an engine does with packets that it reads from the TUN. See packet-table.ts. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import { EXTERNAL, OVERLAY_MTU, OWN_POD, POD_A, POD_B, TUN_ADDRESS, UNOWNED } from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import { answered, dropped, passed } from "./packet-case.ts";
import type { PacketCase } from "./packet-case.ts";
import {
  ICMP_ERROR_TYPES,
  LONGEST_OPTIONS,
  NO_HOSTS,
  OPTIONS,
  malformedPackets,
  passingPackets,
} from "./packet-shapes.ts";
import { PROTOCOL, bytesFor, countingBytes, icmpPayload, packetOf } from "./packets.ts";
import type { PacketFields } from "./packets.ts";

/** Right beside what is refused. */
const HOSTS_AT_THE_EDGE = [
  "1.0.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "169.253.255.255",
  "169.255.0.0",
  "223.255.255.255",
];
const ICMP_QUERY_TYPES = [0, 8, 13, 14, 15, 16, 17, 18, 42, 43];
/** Unassigned, or never sent beyond a link. */
const OTHER_ICMP_TYPES = [1, 9, 10, 19, 255];

/** Every case of this direction. */
export function encapCases(): PacketCase[] {
  return [...sentOn(), ...malformed(), ...misplaced(), ...answeredOnes(), ...sourceChecks()];
}

function sentOn(): PacketCase[] {
  return [
    ...passingPackets({ source: OWN_POD, destination: POD_A }).map(([name, packet]) =>
      sent(name, packet, "peerA"),
    ),
    sent("for the first address of a subnet", packetOf({ destination: "10.244.4.0" }), "peerB"),
    sent("for the last address of a subnet", packetOf({ destination: "10.244.7.255" }), "peerB"),
    sent("from the TUN's own address", packetOf({ source: TUN_ADDRESS }), "peerA"),
    sent("from the last address of our subnet", packetOf({ source: "10.244.1.255" }), "peerA"),
    sent(
      "as long as the overlay MTU, with DF",
      packetOf({ payload: bytesFor(OVERLAY_MTU), dontFragment: true }),
      "peerA",
    ),
    sent(
      "one byte longer than the overlay MTU, without DF",
      packetOf({ payload: bytesFor(OVERLAY_MTU + 1) }),
      "peerA",
    ),
    sent("of 9,000 bytes, without DF", packetOf({ payload: bytesFor(9_000) }), "peerA"),
    sent("as long as a datagram can be", packetOf({ payload: bytesFor(65_507) }), "peerA"),
  ];
}

function malformed(): PacketCase[] {
  const cases = malformedPackets({ source: OWN_POD, destination: POD_A }, "encap");
  // A zero-length packet cannot come from a TUN: the kernel has no such packet.
  return cases
    .filter(([, packet]) => packet.length > 0)
    .map(([name, packet, outcome]) => refused(name, packet, outcome));
}

function misplaced(): PacketCase[] {
  return [
    ...NO_HOSTS.flatMap(([address, kind]) => [
      refused(`from ${address}, ${kind}`, packetOf({ source: address }), "encapDropMartian"),
      refused(`to ${address}, ${kind}`, packetOf({ destination: address }), "encapDropMartian"),
    ]),
    refused(
      "from a martian, with no time to live",
      packetOf({ source: "127.0.0.1", ttl: 0 }),
      "encapDropMartian",
    ),
    refused(
      "from a pod of peer A",
      packetOf({ source: POD_A, destination: POD_B }),
      "encapDropForeignSource",
    ),
    refused("from outside the overlay", packetOf({ source: EXTERNAL }), "encapDropForeignSource"),
    refused(
      "from the address before our subnet",
      packetOf({ source: "10.244.0.255" }),
      "encapDropForeignSource",
    ),
    refused(
      "from the address after our subnet",
      packetOf({ source: "10.244.2.0" }),
      "encapDropForeignSource",
    ),
    refused("to a pod of ours", packetOf({ destination: "10.244.1.6" }), "encapDropOwnDestination"),
    refused("to the TUN's own address", packetOf({ destination: TUN_ADDRESS }), "encapDropOwnDestination"),
    refused("to our broadcast address", packetOf({ destination: "10.244.1.255" }), "encapDropOwnDestination"),
    refused(
      "to a pod of ours, with no time to live",
      packetOf({ destination: "10.244.1.6", ttl: 1 }),
      "encapDropOwnDestination",
    ),
    refused(
      "from outside, with no time to live: not answered",
      packetOf({ source: EXTERNAL, ttl: 1 }),
      "encapDropForeignSource",
    ),
    refused(
      "one byte longer than a datagram can be",
      packetOf({ payload: bytesFor(65_508) }),
      "encapDropTooLong",
    ),
    refused("of 65,535 bytes, without DF", packetOf({ payload: bytesFor(65_535) }), "encapDropTooLong"),
  ];
}

function answeredOnes(): PacketCase[] {
  const timeExceeded = (name: string, packet: Buffer): PacketCase =>
    answered({ name, from: "tun", packet }, "encapDropTtl", { type: 11, code: 0 });
  const unreachable = (name: string, fields: PacketFields): PacketCase =>
    answered(
      { name, from: "tun", packet: packetOf({ destination: UNOWNED, ...fields }) },
      "encapDropNoPeer",
      { type: 3, code: 0 },
    );
  const tooBig = (name: string, packet: Buffer): PacketCase =>
    answered({ name, from: "tun", packet }, "encapDropDontFragment", {
      type: 3,
      code: 4,
      mtu: OVERLAY_MTU,
    });
  const silent = (name: string, fields: PacketFields): PacketCase =>
    refused(`${name}: not answered`, packetOf({ destination: UNOWNED, ...fields }), "encapDropNoPeer");
  return [
    timeExceeded("with a time to live of 0", packetOf({ ttl: 0 })),
    timeExceeded("with a time to live of 1", packetOf({ ttl: 1 })),
    timeExceeded("with no time to live, for nobody", packetOf({ ttl: 1, destination: UNOWNED })),
    timeExceeded(
      "with no time to live and padding, which is not quoted",
      packetOf({ ttl: 1, padding: countingBytes(30) }),
    ),
    timeExceeded("with no time to live, of a header alone", packetOf({ ttl: 1, payload: Buffer.alloc(0) })),
    timeExceeded("with no time to live, 3 bytes of payload", packetOf({ ttl: 1, payload: countingBytes(3) })),
    timeExceeded(
      "with no time to live and the longest options",
      packetOf({ ttl: 1, options: LONGEST_OPTIONS }),
    ),
    timeExceeded("with no time to live, the first fragment", packetOf({ ttl: 1, moreFragments: true })),
    timeExceeded(
      "with no time to live, 548 bytes: quoted whole",
      packetOf({ ttl: 1, payload: bytesFor(548) }),
    ),
    timeExceeded(
      "with no time to live, 549 bytes: quoted but one",
      packetOf({ ttl: 1, payload: bytesFor(549) }),
    ),
    timeExceeded("with no time to live, 65,535 bytes", packetOf({ ttl: 1, payload: bytesFor(65_535) })),
    timeExceeded(
      "with no time to live, longer than the MTU with DF",
      packetOf({ ttl: 1, payload: bytesFor(3_000), dontFragment: true }),
    ),
    unreachable("for nobody", {}),
    unreachable("for nobody, from the TUN's own address: a process on this host", { source: TUN_ADDRESS }),
    unreachable("for nobody, TCP", { protocol: PROTOCOL.tcp }),
    unreachable("for an address outside the overlay", { destination: EXTERNAL }),
    unreachable("for the address before a peer's subnet", { destination: "10.244.3.255" }),
    unreachable("for the address after a peer's subnet", { destination: "10.244.8.0" }),
    unreachable("for nobody, longer than the MTU with DF", { payload: bytesFor(3_000), dontFragment: true }),
    ...HOSTS_AT_THE_EDGE.map((destination) =>
      unreachable(`for ${destination}, which could be a host`, { destination }),
    ),
    ...ICMP_QUERY_TYPES.map((type) =>
      unreachable(`for nobody, ICMP query type ${type}`, {
        protocol: PROTOCOL.icmp,
        payload: icmpPayload(type),
      }),
    ),
    tooBig(
      "one byte longer than the overlay MTU, with DF",
      packetOf({ payload: bytesFor(OVERLAY_MTU + 1), dontFragment: true }),
    ),
    tooBig("of 9,000 bytes, with DF", packetOf({ payload: bytesFor(9_000), dontFragment: true })),
    tooBig("of 65,535 bytes, with DF", packetOf({ payload: bytesFor(65_535), dontFragment: true })),
    tooBig(
      "with DF and options, too long",
      packetOf({ payload: bytesFor(1_480), options: OPTIONS, dontFragment: true }),
    ),
    ...ICMP_ERROR_TYPES.map((type) =>
      silent(`for nobody, ICMP error type ${type}`, { protocol: PROTOCOL.icmp, payload: icmpPayload(type) }),
    ),
    ...OTHER_ICMP_TYPES.map((type) =>
      silent(`for nobody, ICMP type ${type}, which may be an error`, {
        protocol: PROTOCOL.icmp,
        payload: icmpPayload(type),
      }),
    ),
    silent("for nobody, ICMP error behind options", {
      protocol: PROTOCOL.icmp,
      options: OPTIONS,
      payload: icmpPayload(11),
    }),
    silent("for nobody, ICMP without a type", { protocol: PROTOCOL.icmp, payload: Buffer.alloc(0) }),
    silent("for nobody, ICMP whose type is padding", {
      protocol: PROTOCOL.icmp,
      payload: Buffer.alloc(0),
      padding: icmpPayload(8),
    }),
    silent("for nobody, a middle fragment", { fragmentOffset: 100, moreFragments: true }),
    silent("for nobody, the last fragment", { fragmentOffset: 100 }),
    silent("for nobody, from our broadcast address", { source: "10.244.1.255" }),
    refused(
      "an ICMP error with no time to live: not answered",
      packetOf({ ttl: 1, protocol: PROTOCOL.icmp, payload: icmpPayload(3, 4) }),
      "encapDropTtl",
    ),
    refused(
      "a later fragment with no time to live: not answered",
      packetOf({ ttl: 1, fragmentOffset: 1 }),
      "encapDropTtl",
    ),
  ];
}

function sourceChecks(): PacketCase[] {
  const foreign = packetOf({ source: EXTERNAL });
  const count = { from: "tun", sourceCheck: "count" } as const;
  const off = { from: "tun", sourceCheck: "off" } as const;
  return [
    passed({ ...count, name: "from outside, counted", packet: foreign }, "peerA", { encapForeignSource: 1 }),
    passed({ ...count, name: "from our subnet, nothing to count", packet: packetOf() }, "peerA"),
    passed({ ...off, name: "from outside, not looked at", packet: foreign }, "peerA"),
    dropped(
      { ...count, name: "from a martian, counting", packet: packetOf({ source: "127.0.0.1" }) },
      "encapDropMartian",
    ),
    dropped(
      { ...off, name: "from a martian, not looking", packet: packetOf({ source: "127.0.0.1" }) },
      "encapDropMartian",
    ),
    dropped(
      {
        ...count,
        name: "from outside for nobody: neither counted nor answered",
        packet: packetOf({ source: EXTERNAL, destination: UNOWNED }),
      },
      "encapDropNoPeer",
    ),
    dropped(
      {
        ...off,
        name: "from outside with no time to live: not answered",
        packet: packetOf({ source: EXTERNAL, ttl: 1 }),
      },
      "encapDropTtl",
    ),
    dropped(
      {
        ...off,
        name: "from outside to a pod of ours",
        packet: packetOf({ source: EXTERNAL, destination: OWN_POD }),
      },
      "encapDropOwnDestination",
    ),
  ];
}

function sent(name: string, packet: Buffer, to: Sender): PacketCase {
  return passed({ name, from: "tun", packet }, to);
}

function refused(name: string, packet: Buffer, outcome: CounterName): PacketCase {
  return dropped({ name, from: "tun", packet }, outcome);
}
