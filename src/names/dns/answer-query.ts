/**
 * From the bytes of a question to those of its answer (RFC 1035, EDNS of RFC 6891). Pure, and never throws: whatever is
 * no question gets null, which is no answer at all.
 */
import { RECURSION_DESIRED, TRUNCATED_RESPONSE, decode, encode } from "dns-packet";
import type { Answer, DecodedPacket, Packet, Question } from "dns-packet";
import { NOT_IMPLEMENTED, REFUSED, planReply } from "./plan-reply.ts";
import type { Reply, Zone } from "./plan-reply.ts";

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
/** Type and class, behind the name. */
const QUESTION_END_BYTES = 4;
/** Type, class, TTL, length and 4 bytes of address, behind the name (RFC 1035 section 4.1.3). */
const ADDRESS_RECORD_BYTES = 14;
/** An empty OPT record. */
const OPT_BYTES = 11;

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
  const bytes = write(query, reply);
  if (way.transport === "tcp") return bytes;
  const limitBytes = Math.min(Math.max(query.udpPayloadSize, PLAIN_UDP_BYTES), MAX_UDP_BYTES);
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

function replyTo({ question, isPlain }: Query, zone: Zone | null, { rotation }: QueryWay): Reply {
  if (zone === null) return REFUSED;
  if (!isPlain) return NOT_IMPLEMENTED;
  const reply = planReply(question, zone, rotation);
  return { ...reply, answers: fitting(question, reply.answers) };
}

/** As many as the length in front of the message can say. Where they are many they are addresses, all of one size. */
function fitting({ name }: Question, answers: readonly Answer[]): readonly Answer[] {
  const nameBytes = name.length + 2;
  const room = MAX_TCP_BYTES - HEADER_BYTES - OPT_BYTES - nameBytes - QUESTION_END_BYTES;
  return answers.slice(0, Math.floor(room / (nameBytes + ADDRESS_RECORD_BYTES)));
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
