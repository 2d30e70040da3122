/** What an engine does with datagrams from the underlay. See packet-table.ts. */
import type { CounterName } from "../../src/datapath/packet-counters.ts";
import { EXTERNAL, OWN_POD, POD_A, POD_B, TUN_ADDRESS, UNOWNED } from "./packet-addresses.ts";
import type { Sender } from "./packet-addresses.ts";
import { answered, dropped, passed } from "./packet-case.ts";
import type { PacketCase } from "./packet-case.ts";
import { NO_HOSTS, OPTIONS, malformedPackets, passingPackets } from "./packet-shapes.ts";
import { PROTOCOL, bytesFor, countingBytes, icmpPayload, packetOf } from "./packets.ts";
import type { PacketFields } from "./packets.ts";

/** Every case of this direction. */
export function decapCases(): PacketCase[] {
  return [...delivered(), ...malformed(), ...misplaced(), ...answeredOnes(), ...sourceChecks()];
}

function delivered(): PacketCase[] {
  const fromB = (name: string, fields: PacketFields): PacketCase =>
    passed(
      { name, from: "peerB", packet: packetOf({ source: POD_B, destination: OWN_POD, ...fields }) },
      "tun",
    );
  return [
    ...passingPackets({ source: POD_A, destination: OWN_POD }).map(([name, packet]) =>
      passed({ name, from: "peerA", packet }, "tun"),
    ),
    fromB("from the first address of the sender's subnet", { source: "10.244.4.0" }),
    fromB("from the last address of the sender's subnet", { source: "10.244.7.255" }),
    fromB("to the TUN's own address", { destination: TUN_ADDRESS }),
    fromB("to the last address of our subnet", { destination: "10.244.1.255" }),
    fromB("longer than the overlay MTU, with DF: it is here already", {
      payload: bytesFor(3_000),
      dontFragment: true,
    }),
    fromB("of 9,000 bytes", { payload: bytesFor(9_000) }),
    fromB("as long as a datagram can be", { payload: bytesFor(65_507) }),
  ];
}

function malformed(): PacketCase[] {
  return malformedPackets({ source: POD_A, destination: OWN_POD }, "decap").map(([name, packet, outcome]) =>
    refused("peerA", name, packet, outcome),
  );
}

function misplaced(): PacketCase[] {
  const drop = (
    name: string,
    fields: PacketFields,
    outcome: CounterName,
    from: Sender = "peerA",
  ): PacketCase => refused(from, name, packetOf({ source: POD_A, destination: OWN_POD, ...fields }), outcome);
  return [
    ...NO_HOSTS.flatMap(([address, kind]) => [
      drop(`from ${address}, ${kind}`, { source: address }, "decapDropMartian"),
      drop(`to ${address}, ${kind}`, { destination: address }, "decapDropMartian"),
    ]),
    drop("a right packet", {}, "decapDropStranger", "stranger"),
    drop("a packet with no time to live", { ttl: 1 }, "decapDropStranger", "stranger"),
    drop("an IPv6 packet", { version: 6 }, "decapDropStranger", "stranger"),
    refused("stranger", "nothing", Buffer.alloc(0), "decapDropStranger"),
    refused("stranger", "one byte", Buffer.alloc(1), "decapDropStranger"),
    refused("stranger", "a datagram of 65,507 bytes", Buffer.alloc(65_507, 0xff), "decapDropStranger"),
    drop("from a pod of peer B", { source: POD_B }, "decapDropForeignSource"),
    drop("from a pod of peer A", {}, "decapDropForeignSource", "peerB"),
    drop("from a pod of ours", { source: "10.244.1.6" }, "decapDropForeignSource"),
    drop("from the TUN's own address", { source: TUN_ADDRESS }, "decapDropForeignSource"),
    drop("from nobody's address", { source: UNOWNED }, "decapDropForeignSource"),
    drop("from outside the overlay", { source: EXTERNAL }, "decapDropForeignSource"),
    drop("from the address before the sender's subnet", { source: "10.244.1.255" }, "decapDropForeignSource"),
    drop("from the address after the sender's subnet", { source: "10.244.3.0" }, "decapDropForeignSource"),
    drop("from a pod of peer B, with no time to live", { source: POD_B, ttl: 1 }, "decapDropForeignSource"),
    drop("to a pod of peer B: no relay", { destination: POD_B }, "decapDropForeignDestination"),
    drop("back to its own subnet", { destination: "10.244.2.8" }, "decapDropForeignDestination"),
    drop("to outside the overlay", { destination: EXTERNAL }, "decapDropForeignDestination"),
    drop(
      "to our underlay network's documentation address",
      { destination: "192.0.2.1" },
      "decapDropForeignDestination",
    ),
    drop("to the address before our subnet", { destination: "10.244.0.255" }, "decapDropForeignDestination"),
    drop("to the address after our subnet", { destination: "10.244.2.0" }, "decapDropForeignDestination"),
    drop(
      "to nobody, with no time to live: not answered",
      { destination: UNOWNED, ttl: 1 },
      "decapDropForeignDestination",
    ),
  ];
}

function answeredOnes(): PacketCase[] {
  const base = { source: POD_A, destination: OWN_POD, ttl: 1 };
  const timeExceeded = (name: string, fields: PacketFields): PacketCase =>
    answered({ name, from: "peerA", packet: packetOf({ ...base, ...fields }) }, "decapDropTtl", {
      type: 11,
      code: 0,
    });
  const silent = (name: string, fields: PacketFields): PacketCase =>
    refused("peerA", `${name}: not answered`, packetOf({ ...base, ...fields }), "decapDropTtl");
  return [
    timeExceeded("with a time to live of 1", {}),
    timeExceeded("with a time to live of 0", { ttl: 0 }),
    timeExceeded("with no time to live, from the peer's TUN address", { source: "10.244.2.0" }),
    timeExceeded("with no time to live, echo request", { protocol: PROTOCOL.icmp, payload: icmpPayload(8) }),
    timeExceeded("with no time to live and options", { options: OPTIONS }),
    timeExceeded("with no time to live and padding, which is not quoted", { padding: countingBytes(9) }),
    timeExceeded("with no time to live, of 9,000 bytes", { payload: bytesFor(9_000) }),
    silent("with no time to live, ICMP error", { protocol: PROTOCOL.icmp, payload: icmpPayload(11) }),
    silent("with no time to live, later fragment", { fragmentOffset: 3 }),
    silent("with no time to live, from the peer's broadcast address", { source: "10.244.2.255" }),
  ];
}

function sourceChecks(): PacketCase[] {
  const foreign = packetOf({ source: EXTERNAL, destination: OWN_POD });
  const count = { from: "peerA", sourceCheck: "count" } as const;
  const off = { from: "peerA", sourceCheck: "off" } as const;
  return [
    passed({ ...count, name: "from outside, counted", packet: foreign }, "tun", { decapForeignSource: 1 }),
    passed(
      {
        ...count,
        name: "from the sender's subnet, nothing to count",
        packet: packetOf({ source: POD_A, destination: OWN_POD }),
      },
      "tun",
    ),
    passed({ ...off, name: "from outside, not looked at", packet: foreign }, "tun"),
    ...[count, off].flatMap((input) =>
      ["10.244.1.6", TUN_ADDRESS, "10.244.1.255"].map((source) =>
        dropped(
          {
            ...input,
            name: `from ${source} of ours, though ${input.sourceCheck}`,
            packet: packetOf({ source, destination: OWN_POD }),
          },
          "decapDropForeignSource",
        ),
      ),
    ),
    dropped(
      { ...off, name: "a stranger's, not looking", from: "stranger", packet: foreign },
      "decapDropStranger",
    ),
    dropped(
      {
        ...off,
        name: "from a martian, not looking",
        packet: packetOf({ source: "224.0.0.1", destination: OWN_POD }),
      },
      "decapDropMartian",
    ),
    dropped(
      {
        ...off,
        name: "to a pod of peer B, not looking",
        packet: packetOf({ source: EXTERNAL, destination: POD_B }),
      },
      "decapDropForeignDestination",
    ),
    dropped(
      {
        ...count,
        name: "from outside with no time to live: not answered",
        packet: packetOf({ source: EXTERNAL, destination: OWN_POD, ttl: 1 }),
      },
      "decapDropTtl",
    ),
  ];
}

function refused(from: Sender, name: string, packet: Buffer, outcome: CounterName): PacketCase {
  return dropped({ name, from, packet }, outcome);
}
