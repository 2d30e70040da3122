/**
 * What is answered to a question. The server knows its own zone, and of the reverse names those of containers: each of them
 * is a zone by itself, of one name. A question for anything else is refused, so that the asker goes on to its next name
 * server; it is never passed on.
 */
import { AUTHORITATIVE_ANSWER } from "dns-packet";
import type { Answer, Question } from "dns-packet";
import type { Ipv4Address } from "../../net/ipv4.ts";
import type { KnownAddresses } from "../name-table.ts";
import { parseReverseName } from "./reverse-name.ts";

/** Containers come and go; a name that has moved is found again after this. Also how long a missing one is missing. */
export const TTL_SECONDS = 5;

const RCODE = { ok: 0, noSuchName: 3, notImplemented: 4, refused: 5 } as const;

/** What is answered from. */
export interface Zone {
  /** In lower case, such as `twill`. */
  readonly name: string;
  /** @param name in lower case, without the zone */
  find(name: string): KnownAddresses;
  /** Name of the container that has the address, without the zone; null where there is none. */
  findOwner(address: Ipv4Address): string | null;
}

/** What an answer says, before its bytes. */
export interface Reply {
  readonly rcode: number;
  readonly flags: number;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
}

/** To whom nothing is told, or what is not ours to tell. */
export const REFUSED: Reply = { rcode: RCODE.refused, flags: 0, answers: [], authorities: [] };
/** To what is no plain question. */
export const NOT_IMPLEMENTED: Reply = { ...REFUSED, rcode: RCODE.notImplemented };

/** @param rotation the address that comes first: each asker gets another */
export function planReply(question: Question, zone: Zone, rotation: number): Reply {
  if (question.class !== "IN") return REFUSED;
  const name = question.name.toLowerCase();
  const nameInZone = withoutZone(name, zone.name);
  if (nameInZone !== null) return replyInZone(question, nameInZone, zone, rotation);
  const address = parseReverseName(name);
  const owner = address === null ? null : zone.findOwner(address);
  return owner === null ? REFUSED : replyInReverse(question, `${owner}.${zone.name}`);
}

function replyInZone({ name, type }: Question, nameInZone: string, zone: Zone, rotation: number): Reply {
  const isZone = nameInZone === "";
  const known = isZone ? [] : zone.find(nameInZone);
  if (known === null) return { ...ownReply(zone.name, []), rcode: RCODE.noSuchName };
  if (isZone && type === "SOA") return ownReply(zone.name, [startOfAuthority(zone.name)]);
  if (type !== "A") return ownReply(zone.name, []);
  const start = known.length === 0 ? 0 : rotation % known.length;
  const addresses = [...known.slice(start), ...known.slice(0, start)];
  return ownReply(
    zone.name,
    addresses.map((address) => ({ type: "A", name, ttl: TTL_SECONDS, data: address.toString() })),
  );
}

function replyInReverse({ name, type }: Question, owner: string): Reply {
  const zoneName = name.toLowerCase();
  if (type === "SOA") return ownReply(zoneName, [startOfAuthority(zoneName)]);
  return ownReply(zoneName, type === "PTR" ? [{ type: "PTR", name, ttl: TTL_SECONDS, data: owner }] : []);
}

/** The answers, or that there are none and how long that holds. */
function ownReply(zoneName: string, answers: readonly Answer[]): Reply {
  const authorities = answers.length > 0 ? [] : [startOfAuthority(zoneName)];
  return { rcode: RCODE.ok, flags: AUTHORITATIVE_ANSWER, answers, authorities };
}

/** What of the name stands before the zone, "" for the zone itself, null for a name that is not in it. */
function withoutZone(name: string, zone: string): string | null {
  if (name === zone) return "";
  return name.endsWith(`.${zone}`) ? name.slice(0, -zone.length - 1) : null;
}

/** Says how long a missing name is to be remembered as missing (RFC 2308): its `minimum`. */
function startOfAuthority(name: string): Answer {
  const times = { serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: TTL_SECONDS };
  return { type: "SOA", name, ttl: TTL_SECONDS, data: { mname: name, rname: `nobody.${name}`, ...times } };
}
