import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ANY_VERSION, checkDecap } from "../../../src/datapath/check-decap.ts";
import { checkEncap } from "../../../src/datapath/check-encap.ts";
import { isMartian } from "../../../src/datapath/check-header.ts";
import { NO_PEER } from "../../../src/datapath/forwarding-table.ts";
import { VXLAN_FRAMING_BYTES, announcedVersionOf, checkVxlanFraming } from "../../../src/datapath/framing.ts";
import { takeHop } from "../../../src/datapath/inner-packet.ts";
import { isMartianAt } from "../../../src/datapath/ipv6-header.ts";
import { COUNTER } from "../../../src/datapath/packet-counters.ts";
import type { CounterIndex, CounterName } from "../../../src/datapath/packet-counters.ts";
import { createPacketRules, createPacketVerdict } from "../../../src/datapath/packet-verdict.ts";
import type { PacketVerdict } from "../../../src/datapath/packet-verdict.ts";
import { Ipv6Address } from "../../../src/net/ipv6.ts";
import { engineOptions, tableOf } from "../../support/engine-bench.ts";
import { addressOf } from "../../support/ipv4.ts";
import { prefix6Of } from "../../support/ipv6.ts";
import { OWN_POD, OWN_POD6, PEERS, POD_A, POD_A6, SENDERS } from "../../support/packet-addresses.ts";
import type { PacketCase } from "../../support/packet-case.ts";
import { PACKET_TABLE } from "../../support/packet-table.ts";
import { packetOf } from "../../support/packets.ts";
import { bytesFor6, packet6Of } from "../../support/packets6.ts";

const TABLE = tableOf(PEERS);
const RUNS = 20_000;

describe("the packet table", () => {
  it("holds at least 700 cases, none twice, and every outcome but those that no packet has in itself", () => {
    const names = PACKET_TABLE.map(({ from, name }) => `${from}: ${name}`);
    expect(names.length).toBeGreaterThanOrEqual(700);
    expect(new Set(names).size).toBe(names.length);
    const outcomes = Object.keys(COUNTER).filter((name) => /^(encap|decap)(Sent|Delivered|Drop)/.test(name));
    const untested = outcomes.filter((name) => !PACKET_TABLE.some(({ outcome }) => outcome === name));
    expect(untested).toEqual([
      "encapDropOffload",
      "encapDropSendBusy",
      "encapDropSendTooLong",
      "encapDropSendFailed",
      "decapDropQueueFull",
      "decapDropWriteBusy",
      "decapDropDeviceDown",
      "decapDropWriteRefused",
      "decapDropWriteFailed",
    ]);
  });
});

describe("checkEncap and checkDecap", () => {
  for (const packetCase of PACKET_TABLE) {
    it(`from ${packetCase.from}: ${packetCase.name} -> ${packetCase.outcome}`, () => {
      const input = Buffer.from(packetCase.packet);
      const { outcome, verdict, packet } = check(packetCase, input);
      expect(nameOf(outcome)).toBe(packetCase.outcome);
      expect(input).toEqual(packetCase.packet); // not yet changed
      if (packetCase.outcome !== "encapSent" && packetCase.outcome !== "decapDelivered") return;

      takeHop(packet);
      const isFramed = packetCase.framing === "vxlan" && packetCase.from === "tun";
      expect(packet.subarray(0, verdict.length)).toEqual(
        packetCase.deliveries[0]?.packet.subarray(isFramed ? VXLAN_FRAMING_BYTES : 0),
      );
      expect(verdict.isForeignSource).toBe(
        Object.keys(packetCase.counters).some((name) => name.endsWith("ForeignSource")),
      );
      if (packetCase.from === "tun") {
        const to = packetCase.deliveries[0]?.to;
        expect(TABLE.underlayOf(verdict.peer)).toBe(
          to === undefined || to === "tun" ? undefined : SENDERS[to],
        );
      }
    });
  }

  it("give any bytes an outcome, and what lies behind them has no part in it", () => {
    const roughlyPackets = fc
      .tuple(
        fc.constantFrom(
          packetOf(),
          packetOf({ source: POD_A, destination: OWN_POD }),
          packet6Of(),
          packet6Of({ source: POD_A6, destination: OWN_POD6 }),
        ),
        fc.array(arbitraryPatch()),
        fc.nat(80),
      )
      .map(([right, patches, bytes]) => {
        const packet = Buffer.from(right); // `right` is the same one in every run
        for (const [at, value] of patches) packet[at] = value;
        return packet.subarray(0, bytes);
      });
    const anyBytes = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(
        fc.oneof(roughlyPackets, anyBytes),
        fc.constantFrom("tun", "peerA", "stranger"),
        fc.boolean(),
        fc.constantFrom("bare", "vxlan"),
        (packet, from, hasIpv6, framing) => {
          const outcome = nameOf(check({ from, hasIpv6, framing }, packet).outcome);
          expect(outcome).toMatch(from === "tun" ? /^encap/ : /^decap/);
          if (from !== "tun") return;
          for (const filler of [0x00, 0x45, 0xff]) {
            const slot = Buffer.concat([packet, Buffer.alloc(70_000, filler)]);
            expect(nameOf(check({ from, hasIpv6, framing }, slot, packet.length).outcome)).toBe(outcome);
          }
        },
      ),
      { numRuns: RUNS / 20 },
    );
  });

  it("refuse an IPv6 packet that no datagram holds, where the overlay MTU would allow it", () => {
    const options = { ...engineOptions(8285, { hasIpv6: true }), overlayMtu: 65_535 };
    const outcomeOf = (totalLength: number): CounterIndex =>
      checkEncap(
        packet6Of({ payload: bytesFor6(totalLength) }),
        totalLength,
        createPacketRules(options),
        TABLE,
        createPacketVerdict(),
      );
    expect([65_507, 65_508].map(outcomeOf)).toEqual([COUNTER.encapSent, COUNTER.encapDropTooLong]);
  });

  it("pass no packet with a flipped bit in its header", () => {
    const sent = packetOf({ options: Buffer.alloc(4, 1) });
    for (let bit = 0; bit < 24 * 8; bit++) {
      const packet = Buffer.from(sent);
      packet[bit >> 3] = packet.readUInt8(bit >> 3) ^ (1 << (bit & 7));
      expect(nameOf(check({ from: "tun" }, packet).outcome)).toMatch(/^encapDrop/);
    }
  });
});

describe("isMartianAt", () => {
  it("agrees with the list of prefixes, for any IPv6 address", () => {
    const prefixes = ["::/128", "::1/128", "::ffff:0:0/96", "fe80::/10", "ff00::/8"].map(prefix6Of);
    const isListed = (value: bigint): boolean =>
      prefixes.some((prefix) => prefix.contains(new Ipv6Address(value)));
    const isRefused = (value: bigint): boolean =>
      isMartianAt(Buffer.from(`ee${value.toString(16).padStart(32, "0")}`, "hex"), 1);
    const edges = prefixes.flatMap(({ address, last }) => [address.value, last.value]);
    for (const edge of edges) {
      for (const value of [edge - 1n, edge, edge + 1n].filter((value) => value >= 0n && value < 2n ** 128n)) {
        expect(isRefused(value)).toBe(isListed(value));
      }
    }
    // Few bits set, so that every one of them decides once.
    const sparse = fc
      .array(fc.nat(127), { maxLength: 3 })
      .map((bits) => bits.reduce((value, bit) => value | (1n << BigInt(bit)), 0n));
    const anywhere = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
    const nearEdge = fc.tuple(fc.constantFrom(...edges), sparse).map(([edge, flips]) => edge ^ flips);
    fc.assert(
      fc.property(fc.oneof(sparse, anywhere, nearEdge), (value) => isRefused(value) === isListed(value)),
      { numRuns: RUNS },
    );
  });
});

describe("isMartian", () => {
  it("agrees with the list of ranges, for any address", () => {
    const ranges = [
      "0.0.0.0-0.255.255.255",
      "127.0.0.0-127.255.255.255",
      "169.254.0.0-169.254.255.255",
      "224.0.0.0-255.255.255.255",
    ];
    const bounds = ranges.map((range) => range.split("-").map((text) => addressOf(text).value));
    const isListed = (value: number): boolean =>
      bounds.some(([first = 0, last = 0]) => value >= first && value <= last);
    for (const edge of bounds.flat()) {
      for (const value of [edge - 1, edge, edge + 1].filter((value) => value >= 0 && value < 2 ** 32)) {
        expect(isMartian(value)).toBe(isListed(value));
      }
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => isMartian(value) === isListed(value)),
      { numRuns: RUNS },
    );
  });
});

/** What the engine does with its input, step by step. `packet` is the inner one. */
function check(
  { from, ...options }: Pick<PacketCase, "from" | "sourceCheck" | "framing" | "hasIpv6">,
  input: Buffer,
  bytes = input.length,
): { outcome: CounterIndex; verdict: PacketVerdict; packet: Buffer } {
  const { framing, ...others } = engineOptions(8285, options);
  const rules = createPacketRules({ framing, ...others });
  const verdict = createPacketVerdict();
  if (from === "tun") {
    return { outcome: checkEncap(input, bytes, rules, TABLE, verdict), verdict, packet: input };
  }
  const peer = TABLE.peerOfUnderlay(SENDERS[from]);
  if (peer === NO_PEER) return { outcome: COUNTER.decapDropStranger, verdict, packet: input };
  if (framing.kind === "bare") {
    const outcome = checkDecap(input, ANY_VERSION, peer, rules, TABLE, verdict);
    return { outcome, verdict, packet: input };
  }
  const frameOutcome = checkVxlanFraming(input, framing);
  if (frameOutcome !== COUNTER.decapDelivered) return { outcome: frameOutcome, verdict, packet: input };
  const packet = input.subarray(VXLAN_FRAMING_BYTES);
  const outcome = checkDecap(packet, announcedVersionOf(input), peer, rules, TABLE, verdict);
  return { outcome, verdict, packet };
}

function nameOf(index: CounterIndex): CounterName | undefined {
  return (Object.keys(COUNTER) as CounterName[]).find((name) => COUNTER[name] === index);
}

function arbitraryPatch(): fc.Arbitrary<[number, number]> {
  return fc.tuple(fc.nat(23), fc.nat(255));
}
