import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkDecap } from "../../../src/datapath/check-decap.ts";
import { checkEncap } from "../../../src/datapath/check-encap.ts";
import { isMartian } from "../../../src/datapath/check-header.ts";
import { takeHop } from "../../../src/datapath/ipv4-header.ts";
import { COUNTER } from "../../../src/datapath/packet-counters.ts";
import type { CounterIndex, CounterName } from "../../../src/datapath/packet-counters.ts";
import { createPacketRules, createPacketVerdict } from "../../../src/datapath/packet-verdict.ts";
import type { PacketVerdict } from "../../../src/datapath/packet-verdict.ts";
import { engineOptions, tableOf } from "../../support/engine-bench.ts";
import { addressOf } from "../../support/ipv4.ts";
import { OWN_POD, PEERS, POD_A, SENDERS } from "../../support/packet-addresses.ts";
import type { PacketCase } from "../../support/packet-case.ts";
import { PACKET_TABLE } from "../../support/packet-table.ts";
import { packetOf } from "../../support/packets.ts";

const TABLE = tableOf(PEERS);
const RUNS = 20_000;

describe("the packet table", () => {
  it("holds at least 200 cases, none twice, and every outcome but failing sends and writes", () => {
    const names = PACKET_TABLE.map(({ from, name }) => `${from}: ${name}`);
    expect(names.length).toBeGreaterThanOrEqual(200);
    expect(new Set(names).size).toBe(names.length);
    const outcomes = Object.keys(COUNTER).filter((name) => /^(encap|decap)(Sent|Delivered|Drop)/.test(name));
    const untested = outcomes.filter((name) => !PACKET_TABLE.some(({ outcome }) => outcome === name));
    expect(untested).toEqual([
      "encapDropSendBusy",
      "encapDropSendTooLong",
      "encapDropSendFailed",
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
      const packet = Buffer.from(packetCase.packet);
      const { outcome, verdict } = check(packetCase, packet);
      expect(nameOf(outcome)).toBe(packetCase.outcome);
      expect(packet).toEqual(packetCase.packet); // not yet changed
      if (packetCase.outcome !== "encapSent" && packetCase.outcome !== "decapDelivered") return;

      takeHop(packet);
      expect(packet.subarray(0, verdict.length)).toEqual(packetCase.deliveries[0]?.packet);
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
        fc.constantFrom(packetOf(), packetOf({ source: POD_A, destination: OWN_POD })),
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
        (packet, from) => {
          const outcome = nameOf(check({ from }, packet).outcome);
          expect(outcome).toMatch(from === "tun" ? /^encap/ : /^decap/);
          if (from !== "tun") return;
          for (const filler of [0x00, 0x45, 0xff]) {
            const slot = Buffer.concat([packet, Buffer.alloc(70_000, filler)]);
            expect(nameOf(check({ from }, slot, packet.length).outcome)).toBe(outcome);
          }
        },
      ),
      { numRuns: RUNS / 20 },
    );
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

function check(
  { from, sourceCheck = "strict" }: Pick<PacketCase, "from" | "sourceCheck">,
  packet: Buffer,
  bytes = packet.length,
): { outcome: CounterIndex; verdict: PacketVerdict } {
  const rules = createPacketRules({ ...engineOptions(8285), sourceCheck });
  const verdict = createPacketVerdict();
  const outcome =
    from === "tun"
      ? checkEncap(packet, bytes, rules, TABLE, verdict)
      : checkDecap(packet, TABLE.peerOfUnderlay(SENDERS[from]), rules, TABLE, verdict);
  return { outcome, verdict };
}

function nameOf(index: CounterIndex): CounterName | undefined {
  return (Object.keys(COUNTER) as CounterName[]).find((name) => COUNTER[name] === index);
}

function arbitraryPatch(): fc.Arbitrary<[number, number]> {
  return fc.tuple(fc.nat(23), fc.nat(255));
}
