/**
 * The native engine against the readable one: whatever is put into both, the same comes out of both, and is counted
 * the same. The contract suite says what is right; this looks for what nobody thought of.
 */
import { endianness } from "node:os";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDgramEngine } from "../../src/datapath/dgram-engine.ts";
import { openNativeEngine } from "../../src/datapath/native-engine.ts";
import type { PacketCounters } from "../../src/datapath/packet-counters.ts";
import { EngineBench, UnderlayBench, until } from "../support/engine-bench.ts";
import type { BenchOptions, EngineUnderTest } from "../support/engine-bench.ts";
import { frameOf } from "../support/frames.ts";
import type { Sender } from "../support/packet-addresses.ts";
import { PACKET_TABLE } from "../support/packet-table.ts";
import { checksumOf, countingBytes } from "../support/packets.ts";
import { TCP_FLAG, tcpPacket6Of, tcpPacketOf, udpPacket6Of, udpPacketOf } from "../support/transport.ts";
import { VNET_HEADER_BYTES, readVnetPackets } from "../support/vnet-reader.ts";

const READABLE: EngineUnderTest = { name: "dgram", open: openDgramEngine, tun: "bare" };
const NATIVE: readonly EngineUnderTest[] = [
  { name: "native", open: openNativeEngine, tun: "bare" },
  { name: "native with offloads", open: openNativeEngine, tun: "vnet" },
];
/** What only one of the two can count. */
const OWN_COUNTERS = /^(encapCut|decapMerged|offload)/;
const ROUNDS = 250;
const RUNS = 60;
const NEEDS_CSUM = 1;
const TCP_SYN = 0x02;
const TCP_RST = 0x04;
/** Of one round and one side: so many answers are never held back by the rate limit. */
const MAX_INPUTS = 10;
/** Behind the longest headers of both families. */
const PATCHED_BYTES = 90;

interface Input {
  readonly from: "tun" | Sender;
  readonly packet: Buffer;
}

/** What came out, in any order: flows may overtake each other. */
interface Outcome {
  readonly deliveries: readonly string[];
  readonly counters: Partial<PacketCounters>;
}

const BASES = PACKET_TABLE.filter(({ packet }) => packet.length <= 3_000);

const input: fc.Arbitrary<Input> = fc
  .record({
    base: fc.constantFrom(...BASES),
    patches: fc.array(fc.tuple(fc.nat(PATCHED_BYTES - 1), fc.nat(255)), { maxLength: 4 }),
    cut: fc.option(fc.nat(120), { freq: 8 }),
    isMended: fc.boolean(),
    isFramed: fc.boolean(),
  })
  .map(({ base, patches, cut, isMended, isFramed }) => {
    const packet = Buffer.from(cut === null ? base.packet : base.packet.subarray(0, cut));
    for (const [at, value] of patches) if (at < packet.length) packet[at] = value;
    if (isMended) mendChecksum(packet);
    return { from: base.from, packet: isFramed && base.from !== "tun" ? frameOf(packet) : packet };
  });

interface RunFields {
  readonly isTcp: boolean;
  readonly isIpv6: boolean;
  readonly payload: Buffer;
  readonly gsoSize: number;
  readonly flags: number;
  readonly tos: number;
  readonly identification: number;
}

/** A run as the kernel hands it over: its header says where to cut, its checksum is partial. */
const run: fc.Arbitrary<Buffer> = fc
  .record({
    isTcp: fc.boolean(),
    isIpv6: fc.boolean(),
    payload: fc.nat(64_000).map((bytes) => countingBytes(bytes + 1)),
    // With any headers within the overlay MTU: about a run that is too long, one is told once, the other per packet.
    gsoSize: fc.integer({ min: 500, max: 1_400 }),
    flags: fc.nat(255).map((flags) => (flags | TCP_FLAG.ack) & ~(TCP_SYN | TCP_RST)),
    tos: fc.nat(255),
    identification: fc.nat(65_535),
  })
  .map(runOf);

/** The run with the most segments of them all: more than the packet pair holds when it is given them cut. */
const MOST_SEGMENTS = runOf({
  isTcp: true,
  isIpv6: false,
  payload: countingBytes(64_001),
  gsoSize: 500,
  flags: TCP_FLAG.ack,
  tos: 0,
  identification: 0,
});

function runOf({ isTcp, isIpv6, payload, gsoSize, flags, tos, identification }: RunFields): Buffer {
  const segment = { sequence: 0xffff_f000, payload, flags };
  const transport = isTcp ? { checksumAt: 16, type: isIpv6 ? 4 : 1 } : { checksumAt: 6, type: 5 };
  const packet = isTcp
    ? isIpv6
      ? tcpPacket6Of(segment, { trafficClass: tos })
      : tcpPacketOf(segment, { tos, identification })
    : isIpv6
      ? udpPacket6Of(payload, { trafficClass: tos })
      : udpPacketOf(payload, { tos, identification });
  return withRunHeader(packet, { ...transport, gsoSize, ipBytes: isIpv6 ? 40 : 20 });
}

/** Puts a virtio-net header in front, and the partial sum of the pseudo-header into the checksum field. */
function withRunHeader(
  packet: Buffer,
  run: {
    readonly type: number;
    readonly gsoSize: number;
    readonly ipBytes: number;
    readonly checksumAt: number;
  },
): Buffer {
  const header = Buffer.alloc(VNET_HEADER_BYTES);
  const write16 = (value: number, at: number): number =>
    endianness() === "LE" ? header.writeUInt16LE(value, at) : header.writeUInt16BE(value, at);
  header[0] = NEEDS_CSUM;
  header[1] = run.type;
  write16(run.gsoSize, 4);
  write16(run.ipBytes, 6);
  write16(run.checksumAt, 8);
  const at = run.ipBytes + run.checksumAt;
  const message = packet.subarray(run.ipBytes);
  // The right checksum covers pseudo-header and message, so the first is what the second leaves of it.
  const whole = packet.readUInt16BE(at);
  packet.writeUInt16BE(0, at);
  packet.writeUInt16BE(foldedSum(0xffff - whole, checksumOf(message)), at);
  return Buffer.concat([header, packet]);
}

/** One's-complement sum of two 16-bit numbers. */
function foldedSum(a: number, b: number): number {
  return ((a + b) & 0xffff) + ((a + b) >> 16);
}

const framing = fc.constantFrom<"bare" | "vxlan">("bare", "vxlan");

const options: fc.Arbitrary<BenchOptions> = fc.record({
  sourceCheck: fc.constantFrom("strict", "count", "off"),
  framing,
  hasIpv6: fc.boolean(),
});

/** Half of the packets get past the first check, so that the later ones have something to do. */
function mendChecksum(packet: Buffer): void {
  const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
  if (headerBytes < 20 || packet.length < headerBytes) return;
  packet.writeUInt16BE(0, 10);
  packet.writeUInt16BE(checksumOf(packet.subarray(0, headerBytes)), 10);
}

describe.each(NATIVE)("$name and dgram", (native) => {
  let underlay: UnderlayBench;
  beforeAll(async () => void (underlay = await UnderlayBench.open()));
  afterAll(() => underlay.close());

  async function outcomeOf(
    engine: EngineUnderTest,
    inputs: readonly Input[],
    benchOptions: BenchOptions,
  ): Promise<Outcome> {
    await using bench = await EngineBench.open(engine, underlay, benchOptions);
    // The TUN has no empty packets: an empty write to a packet pair would be its end.
    const puts = inputs.filter(({ from, packet }) => from !== "tun" || packet.length > 0);
    for (const { from, packet } of puts) {
      await until(
        () => bench.tryPut(from, packet),
        () => "the TUN takes no more",
      );
    }
    await until(
      () => countOutcomes(bench.engine.readCounters()) >= puts.length,
      () => JSON.stringify(bench.counters()),
    );
    return await collect(bench);
  }

  if (native.tun === "vnet") {
    it("make the same of runs that one cuts and the other is given cut", async () => {
      await fc.assert(
        fc.asyncProperty(run, framing, async (written, benchFraming) => {
          const benchOptions: BenchOptions = { framing: benchFraming, hasIpv6: true };
          const packets = readVnetPackets(written);
          const wanted = await outcomeOf(
            READABLE,
            packets.map((packet) => ({ from: "tun", packet })),
            benchOptions,
          );
          await using bench = await EngineBench.open(native, underlay, benchOptions);
          bench.putRun(written);
          await until(
            () => countOutcomes(bench.engine.readCounters()) >= packets.length,
            () => JSON.stringify(bench.counters()),
          );
          expect(await collect(bench)).toEqual(wanted);
        }),
        { numRuns: RUNS, examples: [[MOST_SEGMENTS, "bare"]] },
      );
    });
  }

  it("make the same of any packets", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(input, { minLength: 1, maxLength: MAX_INPUTS }),
        options,
        async (inputs, benchOptions) => {
          const wanted = await outcomeOf(READABLE, inputs, benchOptions);
          expect(await outcomeOf(native, inputs, benchOptions)).toEqual(wanted);
        },
      ),
      { numRuns: ROUNDS },
    );
  });
});

async function collect(bench: EngineBench): Promise<Outcome> {
  const deliveries = await bench.closeAndCollect();
  const counters = Object.entries(bench.counters()).filter(([name]) => !OWN_COUNTERS.test(name));
  return {
    deliveries: deliveries.map(({ to, packet }) => `${to} ${packet.toString("hex")}`).sort(),
    counters: Object.fromEntries(counters),
  };
}

function countOutcomes(counters: PacketCounters): number {
  return Object.entries(counters)
    .filter(([name]) => /^(encapSent|decapDelivered|(encap|decap)Drop)/.test(name))
    .reduce((sum, [, count]) => sum + count, 0);
}
