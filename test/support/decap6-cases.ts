/** What an engine that carries IPv6 does with IPv6 packets from the underlay. See packet-table.ts. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import {
  EXTERNAL6,
  OWN_POD,
  OWN_POD6,
  POD_A,
  POD_A6,
  POD_B6,
  POD_C,
  TUN_ADDRESS6,
  UNOWNED6,
} from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import { answered, dropped, passed } from "./packet-case.ts";
import type { PacketCase } from "./packet-case.ts";
import { malformedPackets6, passingPackets6 } from "./packet-shapes6.ts";
import { countingBytes, packetOf } from "./packets.ts";
import { NEXT_HEADER, bytesFor6, icmp6Payload, packet6Of, packet6With } from "./packets6.ts";
import type { Packet6Fields } from "./packets6.ts";

const TO_US = { source: POD_A6, destination: OWN_POD6 };

/** Every case of this direction. */
export function decap6Cases(): PacketCase[] {
  const withIpv6 = [...delivered(), ...refusedOnes(), ...answeredOnes(), ...sourceChecks()];
  return [...withIpv6.map((packetCase) => ({ ...packetCase, hasIpv6: true })), ...withoutIpv6()];
}

function delivered(): PacketCase[] {
  const fromB = (name: string, fields: Packet6Fields): PacketCase =>
    passed({ name, from: "peerB", packet: packet6Of({ ...TO_US, source: POD_B6, ...fields }) }, "tun");
  return [
    ...passingPackets6(TO_US).map(([name, packet]) => passed({ name, from: "peerA", packet }, "tun")),
    fromB("from the first address of the sender's IPv6 subnet", { source: "2001:db8:0:4::" }),
    fromB("from the last address of the sender's IPv6 subnet", {
      source: "2001:db8:0:7:ffff:ffff:ffff:ffff",
    }),
    fromB("to the TUN's own IPv6 address", { destination: TUN_ADDRESS6 }),
    fromB("to the last address of our IPv6 subnet", { destination: "2001:db8:0:1:ffff:ffff:ffff:ffff" }),
    fromB("IPv6 longer than the overlay MTU: it is here already", { payload: bytesFor6(3_000) }),
    fromB("IPv6 as long as a datagram can be", { payload: bytesFor6(65_507) }),
    passed(
      {
        name: "IPv4 where IPv6 is carried too",
        from: "peerC",
        packet: packetOf({ source: POD_C, destination: OWN_POD }),
      },
      "tun",
    ),
  ];
}

function refusedOnes(): PacketCase[] {
  const drop = (
    name: string,
    fields: Packet6Fields,
    outcome: CounterName,
    from: Sender = "peerA",
  ): PacketCase => refused(from, name, packet6Of({ ...TO_US, ...fields }), outcome);
  return [
    ...malformedPackets6(TO_US, "decap").map(([name, packet, outcome]) =>
      refused("peerA", name, packet, outcome),
    ),
    drop("a right IPv6 packet", {}, "decapDropStranger", "stranger"),
    drop("an IPv6 packet with no hop left", { hopLimit: 1 }, "decapDropStranger", "stranger"),
    drop("from a pod of peer B, IPv6", { source: POD_B6 }, "decapDropForeignSource"),
    drop("from a pod of peer A, IPv6, by a peer without IPv6", {}, "decapDropForeignSource", "peerC"),
    drop(
      "from outside, IPv6, by a peer without IPv6",
      { source: EXTERNAL6 },
      "decapDropForeignSource",
      "peerC",
    ),
    drop("from a pod of ours, IPv6", { source: "2001:db8:0:1::6" }, "decapDropForeignSource"),
    drop("from the TUN's own IPv6 address", { source: TUN_ADDRESS6 }, "decapDropForeignSource"),
    drop("from nobody's IPv6 address", { source: UNOWNED6 }, "decapDropForeignSource"),
    drop(
      "from the address before the sender's IPv6 subnet",
      { source: "2001:db8:0:1:ffff:ffff:ffff:ffff" },
      "decapDropForeignSource",
    ),
    drop(
      "from the address after the sender's IPv6 subnet",
      { source: "2001:db8:0:3::" },
      "decapDropForeignSource",
    ),
    drop(
      "from a pod of peer B to nobody, IPv6, with no hop left",
      { source: POD_B6, destination: UNOWNED6, hopLimit: 1 },
      "decapDropForeignSource",
    ),
    drop("to a pod of peer B, IPv6: no relay", { destination: POD_B6 }, "decapDropForeignDestination"),
    drop("to outside the overlay, IPv6", { destination: EXTERNAL6 }, "decapDropForeignDestination"),
    drop(
      "to the address before our IPv6 subnet",
      { destination: "2001:db8::ffff:ffff:ffff:ffff" },
      "decapDropForeignDestination",
    ),
    drop(
      "to the address after our IPv6 subnet",
      { destination: "2001:db8:0:2::" },
      "decapDropForeignDestination",
    ),
    drop(
      "to nobody, IPv6, with no hop left: not answered",
      { destination: UNOWNED6, hopLimit: 1 },
      "decapDropForeignDestination",
    ),
  ];
}

function answeredOnes(): PacketCase[] {
  const base = { ...TO_US, hopLimit: 1 };
  const timeExceeded = (name: string, packet: Buffer): PacketCase =>
    answered({ name, from: "peerA", packet }, "decapDropTtl", { type: 3 });
  const silent = (name: string, packet: Buffer): PacketCase =>
    refused("peerA", `${name}: not answered`, packet, "decapDropTtl");
  const { hopByHop, fragment, icmp, udp } = NEXT_HEADER;
  return [
    timeExceeded("IPv6 with a hop limit of 1", packet6Of(base)),
    timeExceeded("IPv6 with a hop limit of 0", packet6Of({ ...base, hopLimit: 0 })),
    timeExceeded(
      "IPv6 with no hop left, from the last address of the peer's subnet: no broadcast",
      packet6Of({ ...base, source: "2001:db8:0:2:ffff:ffff:ffff:ffff" }),
    ),
    timeExceeded(
      "IPv6 with no hop left, echo request",
      packet6Of({ ...base, nextHeader: icmp, payload: icmp6Payload(128) }),
    ),
    timeExceeded(
      "IPv6 with no hop left, first fragment behind options",
      packet6With([{ type: hopByHop }, { type: fragment }], udp, base),
    ),
    timeExceeded(
      "IPv6 with no hop left and padding, which is not quoted",
      packet6Of({ ...base, padding: countingBytes(9) }),
    ),
    timeExceeded("IPv6 with no hop left, of 9,000 bytes", packet6Of({ ...base, payload: bytesFor6(9_000) })),
    silent(
      "IPv6 with no hop left, ICMPv6 error",
      packet6Of({ ...base, nextHeader: icmp, payload: icmp6Payload(2) }),
    ),
    silent(
      "IPv6 with no hop left, later fragment",
      packet6With([{ type: fragment, fragmentOffset: 3 }], udp, base),
    ),
  ];
}

function sourceChecks(): PacketCase[] {
  const foreign = packet6Of({ ...TO_US, source: EXTERNAL6 });
  const count = { from: "peerA", sourceCheck: "count" } as const;
  const off = { from: "peerA", sourceCheck: "off" } as const;
  return [
    passed({ ...count, name: "from outside, IPv6, counted", packet: foreign }, "tun", {
      decapForeignSource: 1,
    }),
    passed(
      { ...count, name: "from the sender's IPv6 subnet, nothing to count", packet: packet6Of(TO_US) },
      "tun",
    ),
    passed({ ...off, name: "from outside, IPv6, not looked at", packet: foreign }, "tun"),
    passed(
      {
        ...count,
        name: "from a pod of peer A, IPv6, by a peer without IPv6: counted",
        from: "peerC",
        packet: packet6Of(TO_US),
      },
      "tun",
      { decapForeignSource: 1 },
    ),
    ...[count, off].map((input) =>
      dropped(
        {
          ...input,
          name: `from an IPv6 pod of ours, though ${input.sourceCheck}`,
          packet: packet6Of({ ...TO_US, source: "2001:db8:0:1::6" }),
        },
        "decapDropForeignSource",
      ),
    ),
    dropped(
      {
        ...count,
        name: "from outside with no hop left, IPv6: not answered",
        packet: packet6Of({ ...TO_US, source: EXTERNAL6, hopLimit: 1 }),
      },
      "decapDropTtl",
    ),
    dropped(
      {
        ...off,
        name: "from outside with no hop left, IPv6, by a peer without IPv6: not answered",
        from: "peerC",
        packet: packet6Of({ ...TO_US, source: EXTERNAL6, hopLimit: 1 }),
      },
      "decapDropTtl",
    ),
  ];
}

/** A node that carries no IPv6 delivers none. */
function withoutIpv6(): PacketCase[] {
  return [
    refused("peerA", "IPv6 where none is carried", packet6Of(TO_US), "decapDropVersion"),
    refused(
      "peerA",
      "39 bytes of IPv6 where none is carried",
      packet6Of(TO_US).subarray(0, 39),
      "decapDropVersion",
    ),
    refused(
      "peerA",
      "19 bytes of IPv6 where none is carried",
      packet6Of(TO_US).subarray(0, 19),
      "decapDropShort",
    ),
    passed(
      {
        name: "IPv4 to a node that carries no IPv6",
        from: "peerA",
        packet: packetOf({ source: POD_A, destination: OWN_POD }),
      },
      "tun",
    ),
  ];
}

function refused(from: Sender, name: string, packet: Buffer, outcome: CounterName): PacketCase {
  return dropped({ name, from, packet }, outcome);
}
