/**
 * From the bytes of a question to those of its answer (RFC 1035, EDNS of RFC 6891). Pure, and never throws: whatever is
 * no question gets null, which is no answer at all.
 *
 * The server knows its own zone and nobody else's. A question for anything else is refused, so that the asker goes on to
 * its next name server; it is never passed on.
 */
import { AUTHORITATIVE_ANSWER, RECURSION_DESIRED, TRUNCATED_RESPONSE, decode, encode } from "dns-packet";
import type { Answer, DecodedPacket, Packet, Question } from "dns-packet";
import type { Ipv4Address } from "../../net/ipv4.ts";
import type { KnownAddresses } from "../name-table.ts";

/** Containers come and go; a name that has moved is found again after this. Also how long a missing one is missing. */
export const TTL_SECONDS = 5;
/** A question has a name of at most 255 bytes and little else. */
export const MAX_QUERY_BYTES = 4096;
/** Without EDNS (RFC 1035 section 4.2.1). */
const PLAIN_UDP_BYTES = 512;
/** As everybody has it since 2020: below the MTU of every overlay. */
const MAX_UDP_BYTES = 1232;
/** The length in front of a message over TCP has 16 bits. */
const MAX_TCP_BYTES = 65_535;

const HEADER_BYTES = 12;
const FLAG_RESPONSE = 0x8000;
const OPCODE_BITS = 0x7800;
/** OPT and a signature, which is not looked at. */
const MAX_ADDITIONALS = 2;
/** A record: name, type, class, TTL, length and 4 bytes of address (RFC 1035 section 4.1.3). */
const ADDRESS_RECORD_BYTES = 14;
/** An empty OPT record. */
const OPT_BYTES = 11;

const RCODE = { ok: 0, noSuchName: 3, notImplemented: 4, refused: 5 } as const;

/** What is answered from. */
export interface Zone {
  /** In lower case, such as `twill`. */
  readonly name: string;
  /** @param name in lower case, without the zone */
  find(name: string): KnownAddresses;
}

/** How a question came. */
export interface QueryWay {
  readonly transport: "udp" | "tcp";
  /** Goes up by one with every question: each asker gets another address first. */
  readonly rotation: number;
}

/**
 * The answer's bytes; null when `message` is no question, or one that must not be answered.
 * @param zone null for an asker who is to learn nothing: it is refused, in no more bytes than it has sent
 */
export function answerQuery(message: Buffer, zone: Zone | null, way: QueryWay): Buffer | null {
  const query = readQuery(message);
  if (query === null) return null;
  const reply = replyTo(query, zone, way);
  if (way.transport === "tcp") return write(query, reply);
  const limitBytes = Math.min(Math.max(query.udpPayloadSize, PLAIN_UDP_BYTES), MAX_UDP_BYTES);
  const bytes = write(query, reply);
  // All or none: half a list would be taken for the whole of it.
  return bytes.length <= limitBytes
    ? bytes
    : write(query, { ...reply, answers: [], flags: reply.flags | TRUNCATED_RESPONSE });
}

interface Query {
  readonly packet: DecodedPacket;
  readonly question: Question;
  readonly isPlain: boolean;
  readonly hasEdns: boolean;
  readonly udpPayloadSize: number;
}

interface Reply {
  readonly rcode: number;
  readonly flags: number;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
}

/** Looks at the counts before anything is made of them, and takes only what would be written as it was read. */
function readQuery(message: Buffer): Query | null {
  if (message.length < HEADER_BYTES || message.length > MAX_QUERY_BYTES) return null;
  const flags = message.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) !== 0) return null; // two servers must not talk to each other for ever
  const count = (at: number): number => message.readUInt16BE(at);
  if (count(4) !== 1 || count(6) !== 0 || count(8) !== 0 || count(10) > MAX_ADDITIONALS) return null;
  try {
    const packet = decode(message);
    const [question] = packet.questions ?? [];
    if (question === undefined || !isWrittenAlike(question, message)) return null;
    const opt = packet.additionals?.find((one) => one.type === "OPT");
    return {
      packet,
      question,
      isPlain: (flags & OPCODE_BITS) === 0,
      hasEdns: opt !== undefined,
      udpPayloadSize: opt?.type === "OPT" ? opt.udpPayloadSize : 0,
    };
  } catch {
    return null; // the library throws on every kind of rubbish
  }
}

/** Whether our answer repeats the question byte for byte. A name that is no text, or a pointer, does not come back as it was. */
function isWrittenAlike(question: Question, message: Buffer): boolean {
  const written = encode({ questions: [question] }).subarray(HEADER_BYTES);
  return written.equals(message.subarray(HEADER_BYTES, HEADER_BYTES + written.length));
}

function replyTo({ question, isPlain }: Query, zone: Zone | null, way: QueryWay): Reply {
  const none = { flags: 0, answers: [], authorities: [] };
  if (zone === null) return { ...none, rcode: RCODE.refused };
  if (!isPlain) return { ...none, rcode: RCODE.notImplemented };
  const name = withoutZone(question.name.toLowerCase(), zone.name);
  if (name === null || question.class !== "IN") return { ...none, rcode: RCODE.refused };
  const known = name === "" ? [] : zone.find(name);
  const flags = AUTHORITATIVE_ANSWER;
  if (known === null) {
    return { ...none, flags, rcode: RCODE.noSuchName, authorities: [startOfAuthority(zone)] };
  }
  const answers = answersTo(question, name, known, zone, way);
  return { flags, rcode: RCODE.ok, answers, authorities: answers.length > 0 ? [] : [startOfAuthority(zone)] };
}

function answersTo(
  { name, type }: Question,
  nameInZone: string,
  known: readonly Ipv4Address[],
  zone: Zone,
  { rotation }: QueryWay,
): Answer[] {
  if (nameInZone === "" && type === "SOA") return [startOfAuthority(zone)];
  if (type !== "A") return [];
  const room = MAX_TCP_BYTES - HEADER_BYTES - OPT_BYTES - (name.length + 2) - 4;
  const start = known.length === 0 ? 0 : rotation % known.length;
  return [...known.slice(start), ...known.slice(0, start)]
    .slice(0, Math.floor(room / (name.length + 2 + ADDRESS_RECORD_BYTES)))
    .map((address) => ({ type: "A", name, ttl: TTL_SECONDS, data: address.toString() }));
}

/** What of the name stands before the zone, "" for the zone itself, null for a name that is not in it. */
function withoutZone(name: string, zone: string): string | null {
  if (name === zone) return "";
  return name.endsWith(`.${zone}`) ? name.slice(0, -zone.length - 1) : null;
}

/** Says how long a missing name is to be remembered as missing (RFC 2308): its `minimum`. */
function startOfAuthority({ name }: Zone): Answer {
  const times = { serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: TTL_SECONDS };
  return { type: "SOA", name, ttl: TTL_SECONDS, data: { mname: name, rname: `nobody.${name}`, ...times } };
}

function write({ packet, question, hasEdns }: Query, { rcode, flags, answers, authorities }: Reply): Buffer {
  const given = packet.flags ?? 0;
  const reply: Packet = {
    id: packet.id,
    type: "response",
    flags: flags | rcode | (given & (RECURSION_DESIRED | OPCODE_BITS)),
    questions: [question],
    answers: [...answers],
    authorities: [...authorities],
    additionals: hasEdns ? [ednsRecord()] : [],
  };
  return encode(reply);
}

function ednsRecord(): Answer {
  return {
    type: "OPT",
    name: ".",
    udpPayloadSize: MAX_UDP_BYTES,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}
