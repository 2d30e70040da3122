import { closeSync } from "node:fs";
import { endianness } from "node:os";
import { describe, expect, it } from "vitest";
import type { PacketEngine, PacketEngineOptions } from "../../../src/datapath/packet-engine.ts";
import { readPacket, writePacket } from "../../../src/datapath/packet-io.ts";
import { EngineBench, UnderlayBench } from "../../support/engine-bench.ts";
import { checksumOf, countingBytes, packetOf } from "../../support/packets.ts";
import { packet6Of } from "../../support/packets6.ts";
import { TCP_FLAG, tcpPacket6Of, tcpPacketOf, udpPacket6Of, udpPacketOf } from "../../support/transport.ts";
import { readVnetPackets, withVnetHeader } from "../../support/vnet-reader.ts";

const NEEDS_CSUM = 1;
const TCPV4 = 1;
const TCPV6 = 4;
const UDP_L4 = 5;
const SIZES = [700, 700, 700, 33];

/** What is written to the TUN: header fields in the order of the struct, then the packet. */
function written(fields: readonly number[], packet: Buffer): Buffer {
  const [flags = 0, gsoType = 0, ...words] = fields;
  const header = Buffer.alloc(10);
  header.set([flags, gsoType], 0);
  words.forEach((word, i) =>
    endianness() === "LE" ? header.writeUInt16LE(word, 2 + 2 * i) : header.writeUInt16BE(word, 2 + 2 * i),
  );
  return Buffer.concat([header, packet]);
}

/** The segments as one packet: the first one's headers, all payloads, and the pseudo-header's sum as checksum. */
function runOf(segments: readonly Buffer[], headerBytes: number, checksumAt: number): Buffer {
  const [first = Buffer.alloc(0)] = segments;
  const isIpv6 = first.readUInt8(0) === 0x60;
  const ipBytes = isIpv6 ? 40 : 20;
  const run = Buffer.concat([
    first.subarray(0, headerBytes),
    ...segments.map((segment) => segment.subarray(headerBytes)),
  ]);
  if (isIpv6) run.writeUInt16BE(run.length - 40, 4);
  else {
    run.writeUInt16BE(run.length, 2);
    run.writeUInt16BE(0, 10);
    run.writeUInt16BE(checksumOf(run.subarray(0, 20)), 10);
  }
  const protocol = run.readUInt8(isIpv6 ? 6 : 9);
  const pseudoHeader = Buffer.concat([
    run.subarray(isIpv6 ? 8 : 12, ipBytes),
    Buffer.from([0, protocol, 0, 0]),
  ]);
  pseudoHeader.writeUInt16BE(run.length - ipBytes, pseudoHeader.length - 2);
  run.writeUInt16BE(0xffff - checksumOf(pseudoHeader), ipBytes + checksumAt);
  return run;
}

/** Three of 700 bytes, a shorter last one with PSH and FIN, CWR on the first. */
function tcpSegments(make: typeof tcpPacketOf): Buffer[] {
  let sequence = 0xfffffe00;
  return SIZES.map((size, i) => {
    const flags = TCP_FLAG.ack + (i === 3 ? TCP_FLAG.psh + TCP_FLAG.fin : 0) + (i === 0 ? TCP_FLAG.cwr : 0);
    const segment = make(
      { sequence, flags, payload: countingBytes(size) },
      { identification: (0xfffe + i) % 65_536 },
    );
    sequence = (sequence + size) % 2 ** 32;
    return segment;
  });
}

/** As the run has the flags of all its segments. */
function withFlags(run: Buffer, at: number, flags: number): Buffer {
  run[at] = flags;
  return run;
}

describe("readVnetPackets", () => {
  const allFlags = TCP_FLAG.ack + TCP_FLAG.psh + TCP_FLAG.fin + TCP_FLAG.cwr;

  it("strips a header that says nothing", () => {
    for (const packet of [packetOf(), packet6Of(), Buffer.alloc(1)]) {
      expect(readVnetPackets(withVnetHeader(packet))).toEqual([packet]);
    }
  });

  it("finishes a partial checksum", () => {
    const packet = tcpPacketOf({ sequence: 1, payload: countingBytes(99) }, {});
    const partial = runOf([packet], 52, 16);
    expect(partial).not.toEqual(packet);
    expect(readVnetPackets(written([NEEDS_CSUM, 0, 0, 0, 20, 16], partial))).toEqual([packet]);
  });

  it.each([0, 0x80])("cuts TCP over IPv4 into what it was made of (ECN bit %i)", (ecn) => {
    const segments = tcpSegments(tcpPacketOf);
    const run = withFlags(runOf(segments, 52, 16), 33, allFlags);
    expect(readVnetPackets(written([NEEDS_CSUM, TCPV4 + ecn, 52, 700, 20, 16], run))).toEqual(segments);
  });

  it("cuts TCP over IPv6 into what it was made of", () => {
    const segments = tcpSegments((segment) => tcpPacket6Of(segment, { flowLabel: 0xabcde }));
    const run = withFlags(runOf(segments, 72, 16), 53, allFlags);
    expect(readVnetPackets(written([NEEDS_CSUM, TCPV6, 72, 700, 40, 16], run))).toEqual(segments);
  });

  it("cuts UDP of both families into what it was made of", () => {
    const of4 = SIZES.map((size, i) => udpPacketOf(countingBytes(size), { identification: 7 + i }));
    const of6 = SIZES.map((size) => udpPacket6Of(countingBytes(size), {}));
    const runs = [runOf(of4, 28, 6), runOf(of6, 48, 6)];
    runs.forEach((run, i) => run.writeUInt16BE(run.length - (i === 0 ? 20 : 40), i === 0 ? 24 : 44));
    expect(
      runs.map((run, i) => readVnetPackets(written([NEEDS_CSUM, UDP_L4, 0, 700, i === 0 ? 20 : 40, 6], run))),
    ).toEqual([of4, of6]);
  });

  it("writes a UDP checksum of 0 as 0xffff", () => {
    const plain = udpPacketOf(Buffer.alloc(20), {});
    const payload = Buffer.alloc(20);
    payload.writeUInt16BE(plain.readUInt16BE(26), 0); // now the sum is 0xffff, and the checksum 0
    const packet = udpPacketOf(payload, {});
    expect(packet.readUInt16BE(26)).toBe(0xffff);
    const run = runOf([packet, udpPacketOf(payload, { identification: 0x1235 })], 28, 6);
    run.writeUInt16BE(run.length - 20, 24);
    expect(readVnetPackets(written([NEEDS_CSUM, UDP_L4, 0, 20, 20, 6], run))[0]).toEqual(packet);
  });

  it("shows a wrong partial sum as a wrong checksum", () => {
    const segments = tcpSegments(tcpPacketOf);
    const run = runOf(segments, 52, 16);
    run.writeUInt16BE(run.readUInt16BE(36) + 1, 36);
    const [first] = readVnetPackets(written([NEEDS_CSUM, TCPV4, 52, 700, 20, 16], run));
    expect(first?.subarray(0, 36)).toEqual(
      withFlags(Buffer.from(segments[0] ?? []), 33, TCP_FLAG.ack + TCP_FLAG.cwr).subarray(0, 36),
    );
    expect(first?.readUInt16BE(36)).not.toBe(segments[0]?.readUInt16BE(36));
  });

  it("throws at what the kernel would refuse", () => {
    const run = runOf(tcpSegments(tcpPacketOf), 52, 16);
    const right: readonly number[] = [NEEDS_CSUM, TCPV4, 52, 700, 20, 16];
    const wrongs = [
      [0, 0],
      [1, TCPV6],
      [1, UDP_L4],
      [1, 9],
      [2, 65_000],
      [3, 0],
      [4, 24],
      [5, 6],
    ] as const;
    for (const [place, value] of wrongs) {
      expect(() => readVnetPackets(written(right.with(place, value), run))).toThrow(
        /^The kernel refuses the write/,
      );
    }
    expect(() => readVnetPackets(Buffer.alloc(10))).toThrow(/nothing behind/);
    expect(() => readVnetPackets(written(right, run.subarray(0, -1)))).toThrow(/not as long/);
  });
});

describe("EngineBench with a virtio-net header", () => {
  it("puts one in front of what it puts in, and takes out plain packets", async () => {
    const underlay = await UnderlayBench.open();
    let tunFd = -1;
    const open = ({ tun, socketFd }: PacketEngineOptions): Promise<PacketEngine> => {
      expect(tun.hasVnetHeader).toBe(true);
      tunFd = tun.fds[0] ?? -1;
      closeSync(socketFd);
      const close = (): Promise<void> => Promise.resolve();
      return Promise.resolve({ replaceTable: () => undefined, close } as unknown as PacketEngine);
    };
    const bench = await EngineBench.open({ name: "none", open, tun: "vnet" }, underlay);
    const buffer = Buffer.alloc(200);
    bench.put("tun", packetOf());
    const bytes = readPacket(tunFd, buffer, 0, 200);
    expect(buffer.subarray(0, bytes)).toEqual(Buffer.concat([Buffer.alloc(10), packetOf()]));

    const segments = tcpSegments(tcpPacketOf);
    const run = withFlags(
      runOf(segments, 52, 16),
      33,
      TCP_FLAG.ack + TCP_FLAG.psh + TCP_FLAG.fin + TCP_FLAG.cwr,
    );
    for (const packet of [written([NEEDS_CSUM, TCPV4, 52, 700, 20, 16], run), withVnetHeader(packet6Of())]) {
      writePacket(tunFd, packet, 0, packet.length);
    }
    expect(bench.takeFromTun()).toEqual([...segments, packet6Of()]);
    closeSync(tunFd);
    await bench[Symbol.asyncDispose]();
    await underlay.close();
  });
});
