/**
 * Writes the seeds of test/fuzz/corpus: meaningful inputs, from which the fuzzer goes on. Run it by hand when the
 * layout of a target's input changes: `scripts/with-node node test/fuzz/make-corpus.ts`. Files of other names, such
 * as an input that once broke something, stay.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { netlinkEventsSeeds } from "./netlink-seeds.ts";

const PROTOCOL = { hopByHop: 0, icmp: 1, tcp: 6, udp: 17, fragment: 44, icmp6: 58, destinationOptions: 60 };

const OWN_POD = "0af40105";
const OWN_POD6 = "20010db8000100000000000000000005";
/** Of peer 0 of check.c. */
const POD = "0af40207";
const POD6 = "20010db8000200000000000000000007";

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

/** Bytes that differ from their neighbours. */
function payloadOf(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7) % 256));
}

function tcp(flags: number, payloadBytes: number, options = ""): Buffer {
  const offset = (5 + hex(options).length / 4) * 16;
  return Buffer.concat([
    hex("9c40 1451 ffffff00 00000001"),
    Buffer.from([offset, flags]),
    hex("01f5 0000 0000"),
    hex(options),
    payloadOf(payloadBytes),
  ]);
}

function udp(payloadBytes: number): Buffer {
  return Buffer.concat([hex("9c40 1451"), u16(8 + payloadBytes), hex("1234"), payloadOf(payloadBytes)]);
}

const TIMESTAMPS = "0101080a 00000001 00000002";
const ECHO = Buffer.concat([hex("0800 0000 0001 0002"), payloadOf(8)]);
const UNREACHABLE = Buffer.concat([hex("0301 0000 0000 0000"), payloadOf(8)]);
const ECHO6 = Buffer.concat([hex("8000 0000 0001 0002"), payloadOf(8)]);

interface Ipv4Fields {
  readonly source?: string;
  readonly destination?: string;
  readonly ttl?: number;
  readonly fragment?: number;
  readonly options?: string;
  readonly totalBytes?: number;
}

/** The checksum is left to the target, which mends it. */
function ipv4(protocol: number, payload: Buffer, fields: Ipv4Fields = {}): Buffer {
  const options = hex(fields.options ?? "");
  const headerBytes = 20 + options.length;
  return Buffer.concat([
    Buffer.from([0x40 + headerBytes / 4, 0]),
    u16(fields.totalBytes ?? headerBytes + payload.length),
    hex("fff8"),
    u16(fields.fragment ?? 0x4000),
    Buffer.from([fields.ttl ?? 64, protocol]),
    hex("0000"),
    hex(fields.source ?? OWN_POD),
    hex(fields.destination ?? POD),
    options,
    payload,
  ]);
}

interface Ipv6Fields {
  readonly source?: string;
  readonly destination?: string;
  readonly hopLimit?: number;
}

function ipv6(nextHeader: number, payload: Buffer, fields: Ipv6Fields = {}): Buffer {
  return Buffer.concat([
    hex("60000000"),
    u16(payload.length),
    Buffer.from([nextHeader, fields.hopLimit ?? 64]),
    hex(fields.source ?? OWN_POD6),
    hex(fields.destination ?? POD6),
    payload,
  ]);
}

const FRAGMENT_FIRST = Buffer.concat([hex("11 00 0001 00000001"), udp(8)]);
const FRAGMENT_LATER = Buffer.concat([hex("11 00 0100 00000001"), payloadOf(8)]);
const EXTENDED = Buffer.concat([hex("3c 00 010400000000"), hex("06 00 010400000000"), tcp(0x10, 4)]);
const EXTENDED_ECHO = Buffer.concat([hex("3a 00 010400000000"), ECHO6]);

const PACKETS: Readonly<Record<string, Buffer>> = {
  tcp4: ipv4(PROTOCOL.tcp, tcp(0x18, 16)),
  udp4: ipv4(PROTOCOL.udp, udp(16)),
  "icmp4-echo": ipv4(PROTOCOL.icmp, ECHO),
  "icmp4-error": ipv4(PROTOCOL.icmp, UNREACHABLE),
  "icmp4-without-type": ipv4(PROTOCOL.icmp, Buffer.alloc(0)),
  options4: ipv4(PROTOCOL.udp, udp(8), { options: "94040000 01010100" }),
  "fragment4-first": ipv4(PROTOCOL.udp, udp(8), { fragment: 0x2000 }),
  "fragment4-later": ipv4(PROTOCOL.udp, payloadOf(16), { fragment: 0x0010 }),
  "ttl4-1": ipv4(PROTOCOL.udp, udp(4), { ttl: 1 }),
  martian4: ipv4(PROTOCOL.udp, udp(4), { source: "7f000001" }),
  padded4: ipv4(PROTOCOL.udp, Buffer.concat([udp(2), Buffer.alloc(16)]), { totalBytes: 30 }),
  tcp6: ipv6(PROTOCOL.tcp, tcp(0x10, 16)),
  udp6: ipv6(PROTOCOL.udp, udp(16)),
  "icmp6-echo": ipv6(PROTOCOL.icmp6, ECHO6),
  "icmp6-echo-extended": ipv6(PROTOCOL.destinationOptions, EXTENDED_ECHO),
  "icmp6-without-type": ipv6(PROTOCOL.destinationOptions, EXTENDED_ECHO.subarray(0, 8)),
  extended6: ipv6(PROTOCOL.hopByHop, EXTENDED),
  "fragment6-first": ipv6(PROTOCOL.fragment, FRAGMENT_FIRST),
  "fragment6-later": ipv6(PROTOCOL.fragment, FRAGMENT_LATER),
  martian6: ipv6(PROTOCOL.udp, udp(4), { destination: "fe80000000000000000000000000000a" }),
};

type Seeds = Record<string, Buffer>;

function forEachPacket(prefix: string, head: string): Seeds {
  return Object.fromEntries(
    Object.entries(PACKETS).map(([name, packet]) => [
      `${prefix}-${name}`,
      Buffer.concat([hex(head), packet]),
    ]),
  );
}

/** Settings: IPv6 and mended checksums (06), or with decap (07), strict; with decap, the other way round. */
function checkSeeds(): Seeds {
  const back = { source: POD, destination: OWN_POD };
  const back6 = { source: POD6, destination: OWN_POD6 };
  const head = hex("0700");
  return {
    ...forEachPacket("encap", "0600"),
    "encap-at-mtu": Buffer.concat([hex("8628"), ipv4(PROTOCOL.udp, udp(16))]),
    "encap-above-mtu": Buffer.concat([hex("8629"), ipv4(PROTOCOL.udp, udp(16))]),
    "encap-at-most": Buffer.concat([hex("8640"), ipv4(PROTOCOL.udp, udp(16), { fragment: 0 })]),
    "encap-too-long": Buffer.concat([hex("8641"), ipv4(PROTOCOL.udp, udp(16), { fragment: 0 })]),
    "encap-no-peer": Buffer.concat([hex("0600"), ipv4(PROTOCOL.udp, udp(4), { destination: "0af46301" })]),
    "encap-foreign-counted": Buffer.concat([hex("0e00"), ipv4(PROTOCOL.udp, udp(4), { source: "cb007109" })]),
    "encap-own-destination": Buffer.concat([
      hex("0600"),
      ipv4(PROTOCOL.udp, udp(4), { destination: OWN_POD }),
    ]),
    "decap-udp4": Buffer.concat([head, ipv4(PROTOCOL.udp, udp(16), back)]),
    "decap-udp6": Buffer.concat([head, ipv6(PROTOCOL.udp, udp(16), back6)]),
    "decap-own-source": Buffer.concat([head, ipv4(PROTOCOL.udp, udp(4), { ...back, source: "0af40106" })]),
    "decap-foreign-source": Buffer.concat([
      head,
      ipv4(PROTOCOL.udp, udp(4), { ...back, source: "0af40407" }),
    ]),
    "decap-foreign-destination": Buffer.concat([head, ipv4(PROTOCOL.udp, udp(4), { source: POD })]),
    "decap-ttl4-1": Buffer.concat([head, ipv4(PROTOCOL.udp, udp(4), { ...back, ttl: 1 })]),
    "decap-of-other-ethertype": Buffer.concat([hex("4700"), ipv4(PROTOCOL.udp, udp(4), back)]),
  };
}

/** Settings: mended, with a header that suits it and small segments (0b), finished only (07). */
function cutSeeds(): Seeds {
  const cut = (packet: Buffer, segmentBytes: number, settings = "0b"): Buffer =>
    Buffer.concat([hex(settings), hex("01"), u16(segmentBytes - 1), hex("1410"), packet]);
  const all = 0xd9; // CWR, ECE, ACK, PSH, FIN
  return {
    tcp4: cut(ipv4(PROTOCOL.tcp, tcp(0x18, 40)), 16),
    "tcp4-ends": cut(ipv4(PROTOCOL.tcp, tcp(all, 40)), 8),
    "tcp4-timestamps": cut(ipv4(PROTOCOL.tcp, tcp(0x10, 30, TIMESTAMPS)), 10),
    "tcp4-options": cut(ipv4(PROTOCOL.tcp, tcp(0x10, 30), { options: "01010101" }), 7),
    "tcp4-one": cut(ipv4(PROTOCOL.tcp, tcp(0x18, 20)), 60),
    "tcp4-syn": cut(ipv4(PROTOCOL.tcp, tcp(0x02, 20)), 10),
    "tcp4-ecn": Buffer.concat([hex("09 81 0007 1410"), ipv4(PROTOCOL.tcp, tcp(0x98, 40))]),
    "tcp4-empty": cut(ipv4(PROTOCOL.tcp, tcp(0x10, 0)), 10),
    tcp6: cut(ipv6(PROTOCOL.tcp, tcp(0x18, 40)), 16),
    "tcp6-ends": cut(ipv6(PROTOCOL.tcp, tcp(all, 40, TIMESTAMPS)), 9),
    "tcp6-extended": cut(ipv6(PROTOCOL.hopByHop, EXTENDED), 4),
    udp4: cut(ipv4(PROTOCOL.udp, udp(40)), 13),
    udp6: cut(ipv6(PROTOCOL.udp, udp(40)), 13),
    "udp4-fragment": cut(ipv4(PROTOCOL.udp, udp(24), { fragment: 0x2000 }), 8),
    "finish-tcp4": cut(ipv4(PROTOCOL.tcp, tcp(0x18, 20)), 16, "07"),
    "finish-udp4": cut(ipv4(PROTOCOL.udp, udp(20)), 16, "07"),
    "finish-udp6": cut(ipv6(PROTOCOL.udp, udp(20)), 16, "07"),
    "finish-outside": Buffer.concat([hex("05 00 0000 60ff"), ipv4(PROTOCOL.udp, udp(20))]),
  };
}

function framingSeeds(): Seeds {
  const own = "00002a 02420a000001";
  const frame = (type: string, flags = "08000000", vni = "00002a00", to = "02420a000001"): Buffer =>
    hex(`01 ${own} ${flags} ${vni} ${to} 02420a000002 ${type} 4500`);
  return {
    bare: hex(`00 ${own} 4500001c`),
    ipv4: frame("0800"),
    ipv6: frame("86dd"),
    arp: frame("0806"),
    vlan: frame("8100"),
    "reserved-bits": frame("0800", "ffffffff", "00002aff"),
    "without-vni": frame("0800", "00000000"),
    "other-vni": frame("0800", "08000000", "00002b00"),
    broadcast: frame("0800", "08000000", "00002a00", "ffffffffffff"),
    short: frame("0800").subarray(0, 31),
  };
}

/** Entries: IPv4 base (2), span, flags, underlay, IPv6 base. Flag 08 is IPv6. */
function fwdTableSeeds(): Seeds {
  const two = "0200ff080210 0400ff080320";
  return {
    empty: hex("00"),
    two: hex(`02 ${two}`),
    "replaced-by-same": hex(`02 ${two} ${two}`),
    "replaced-and-moved": hex(`02 ${two} 0200ff080910 0400ff080320 0800ff080430`),
    "subnet-changed": hex(`02 ${two} 02007f080210 0400ff080320`),
    grown: hex(`01 0200ff080210 ${two} 0800ff080430 0900ff000500 0a00ff010600 1000ff480750`),
    overlapping: hex("00 0200ff080210 0280ff080320"),
    overlapping6: hex("00 0200ff080210 0400ff080310"),
    touching: hex("00 0200ff000210 0300ff000310 0100ff000410"),
    "same-underlay": hex("00 0200ff000210 0400ff000210"),
    "upside-down": hex("00 0200ff040210"),
    "upside-down6": hex("00 0200ff180210"),
    wide6: hex("00 0200ff280210 0400ff080340"),
    "one-address": hex("00 020000000210 020100000310"),
  };
}

function icmpErrorSeeds(): Seeds {
  return {
    ...forEachPacket("unreachable", "00 0000"),
    "too-big4": Buffer.concat([hex("01 05c0"), ipv4(PROTOCOL.tcp, tcp(0x10, 30))]),
    "too-big6": Buffer.concat([hex("01 05c0"), ipv6(PROTOCOL.tcp, tcp(0x10, 30))]),
    "time-exceeded4": Buffer.concat([hex("02 0000"), ipv4(PROTOCOL.udp, udp(30), { ttl: 1 })]),
    "time-exceeded6": Buffer.concat([hex("02 0000"), ipv6(PROTOCOL.udp, udp(30), { hopLimit: 1 })]),
    large4: Buffer.concat([hex("42 0000"), ipv4(PROTOCOL.udp, udp(30))]),
    large6: Buffer.concat([hex("42 0000"), ipv6(PROTOCOL.udp, udp(30))]),
  };
}

/** Operations of two bytes: flow and bits, payload length; of four with 80. Flows: see flows.h. */
function mergeSeeds(): Seeds {
  const times = (operation: string, count: number): string => operation.repeat(count);
  return {
    tcp4: hex(`03 ${times("0064", 6)} 0864`),
    "tcp4-plain": hex(`03 ${times("0140", 5)}`),
    "tcp4-options": hex(`03 ${times("0540", 5)}`),
    "tcp4-ends-short": hex(`03 ${times("0064", 3)} 0020 ${times("0064", 2)}`),
    "tcp4-gap": hex(`03 ${times("0040", 2)} 1040 0040 4040 0040`),
    "tcp4-bad-checksum": hex(`03 ${times("0040", 2)} 2040 ${times("0040", 2)}`),
    "tcp4-bad-first": hex(`03 2040 ${times("0040", 2)}`),
    tcp6: hex(`03 ${times("0364", 5)}`),
    udp4: hex(`03 ${times("0232", 5)} 0210 0232`),
    udp6: hex(`03 ${times("0432", 5)}`),
    "udp-not-allowed": hex(`01 ${times("0232", 3)} ${times("0032", 3)}`),
    "tcp-not-allowed": hex(`02 ${times("0232", 3)} ${times("0032", 3)}`),
    "flows-in-turn": hex(`03 ${times("0032 0132 0232 0332 0432", 4)}`),
    "ping-between": hex(`03 ${times("0032", 2)} 0610 ${times("0032", 2)} 0232 0610 0232`),
    "other-host-between": hex(`03 ${times("0232 0732", 4)}`),
    "other-peer": hex(`03 0032 80320000 0032`),
    "other-tos": hex(`03 0032 80320104 0032`),
    "fin-between": hex(`03 0032 80322101 0032`),
    "odd-zero": hex(`03 0132 81328000 0132 0232 82328000 0232`),
    "odd-zero-ip": hex(`03 0132 81324000 0132 0232 82324000 0232`),
    "fragment-between": hex(`03 0232 82320620 0232`),
    "empty-payload": hex(`03 0032 0000 0032`),
  };
}

/** Room (1), sockets less 1 (1), first address (4), distances less 1; above e0 two bytes more. */
function strangerFilterSeeds(): Seeds {
  const scattered = Array.from({ length: 50 }, (_, i) => ((i * 37) % 15) + 1);
  return {
    nobody: hex("ff 01 0a000001").subarray(0, 2),
    one: hex("ff 01 0a000001 01"),
    neighbours: hex("ff 03 0a000001 0000000000"),
    scattered: Buffer.concat([hex("ff 07 0a000001"), Buffer.from(scattered)]),
    "scattered-one-socket": Buffer.concat([hex("ff 00 0a000001"), Buffer.from(scattered)]),
    joined: Buffer.concat([hex("04 03 0a000001"), Buffer.from(scattered)]),
    "joined-to-few": Buffer.concat([hex("00 03 0a000001"), Buffer.from(scattered)]),
    far: hex("ff 03 01000000 ef0100 e80200 ef0400 e50007 ef1000 00"),
    "all-there-is": hex("ff 03 00000000 efffff efffff 00"),
    "to-the-end": hex("ff 03 fffffff0 0f"),
  };
}

const CORPUS: Readonly<Record<string, Seeds>> = {
  check: checkSeeds(),
  cut: cutSeeds(),
  framing: framingSeeds(),
  fwd_table: fwdTableSeeds(),
  icmp_error: icmpErrorSeeds(),
  merge: mergeSeeds(),
  netlink_events: netlinkEventsSeeds(),
  stranger_filter: strangerFilterSeeds(),
};

for (const [target, seeds] of Object.entries(CORPUS)) {
  const directory = join(import.meta.dirname, "corpus", target);
  mkdirSync(directory, { recursive: true });
  for (const [name, bytes] of Object.entries(seeds)) writeFileSync(join(directory, name), bytes);
}
