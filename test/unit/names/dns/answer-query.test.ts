import { RECURSION_DESIRED, decode, encode } from "dns-packet";
import type { Packet, RecordType } from "dns-packet";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_QUERY_BYTES, answerQuery } from "../../../../src/names/dns/answer-query.ts";
import type { QueryWay } from "../../../../src/names/dns/answer-query.ts";
import type { Zone } from "../../../../src/names/dns/plan-reply.ts";
import { addressOf } from "../../../support/ipv4.ts";

const UDP: QueryWay = { transport: "udp", rotation: 0 };
const TCP: QueryWay = { transport: "tcp", rotation: 0 };
/** More than one datagram holds. */
const MANY = 200;

const NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ["web", ["10.244.5.2", "10.244.7.9", "10.244.9.4"]],
  ["db.shop", ["10.244.5.3"]],
  ["shop", []],
  ["many", Array.from({ length: MANY }, (_, i) => `10.244.${i}.2`)],
]);
const OWNERS: ReadonlyMap<string, string> = new Map([["10.244.5.3", "shop_db_1"]]);
const ZONE: Zone = {
  name: "twill",
  find: (name) => NAMES.get(name)?.map(addressOf) ?? null,
  findOwner: (address) => OWNERS.get(address.toString()) ?? null,
};

function query(name: string, type: RecordType = "A", more: Partial<Packet> = {}): Buffer {
  return encode({ type: "query", id: 4711, flags: RECURSION_DESIRED, questions: [{ name, type }], ...more });
}

function withEdns(udpPayloadSize: number): Partial<Packet> {
  const opt = { extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] };
  return { additionals: [{ type: "OPT", name: ".", udpPayloadSize, ...opt }] };
}

/** What an asker sees. */
function show(answer: Buffer | null): unknown {
  if (answer === null) return null;
  const packet = decode(answer);
  return {
    rcode: answer.readUInt16BE(2) & 15,
    aa: packet.flag_aa,
    ...(packet.flag_tc ? { tc: true } : {}),
    answers: packet.answers?.map((one) => (one.type === "A" || one.type === "PTR" ? one.data : one.type)),
    authorities: packet.authorities?.map(({ type }) => type),
  };
}

/** RFC 1035 section 3.5 */
const REVERSE = "3.5.244.10.in-addr.arpa";

describe("answerQuery", () => {
  it.each([
    ["an address", query("db.shop.twill"), { rcode: 0, aa: true, answers: ["10.244.5.3"], authorities: [] }],
    ["upper case", query("DB.Shop.TWILL"), { rcode: 0, aa: true, answers: ["10.244.5.3"], authorities: [] }],
    ["another type", query("web.twill", "AAAA"), { rcode: 0, aa: true, answers: [], authorities: ["SOA"] }],
    [
      "any type",
      query("web.twill", "ANY" as RecordType),
      { rcode: 0, aa: true, answers: [], authorities: ["SOA"] },
    ],
    ["a name above others", query("shop.twill"), { rcode: 0, aa: true, answers: [], authorities: ["SOA"] }],
    ["a missing name", query("nobody.twill"), { rcode: 3, aa: true, answers: [], authorities: ["SOA"] }],
    [
      "a missing name, another type",
      query("nobody.twill", "AAAA"),
      { rcode: 3, aa: true, answers: [], authorities: ["SOA"] },
    ],
    ["the zone", query("twill"), { rcode: 0, aa: true, answers: [], authorities: ["SOA"] }],
    ["the zone's SOA", query("twill", "SOA"), { rcode: 0, aa: true, answers: ["SOA"], authorities: [] }],
    ["another zone", query("web.example.com"), { rcode: 5, aa: false, answers: [], authorities: [] }],
    ["a zone that ends alike", query("web.nottwill"), { rcode: 5, aa: false, answers: [], authorities: [] }],
    ["the root", query("."), { rcode: 5, aa: false, answers: [], authorities: [] }],
    [
      "an address's owner",
      query(REVERSE, "PTR"),
      { rcode: 0, aa: true, answers: ["shop_db_1.twill"], authorities: [] },
    ],
    [
      "a reverse name in upper case",
      query(REVERSE.toUpperCase(), "PTR"),
      { rcode: 0, aa: true, answers: ["shop_db_1.twill"], authorities: [] },
    ],
    [
      "a reverse name, another type",
      query(REVERSE, "A"),
      { rcode: 0, aa: true, answers: [], authorities: ["SOA"] },
    ],
    [
      "a reverse name's SOA",
      query(REVERSE, "SOA"),
      { rcode: 0, aa: true, answers: ["SOA"], authorities: [] },
    ],
    [
      "another address's owner",
      query("2.5.244.10.in-addr.arpa", "PTR"),
      { rcode: 5, aa: false, answers: [], authorities: [] },
    ],
    [
      "the owner of a network",
      query("5.244.10.in-addr.arpa", "PTR"),
      { rcode: 5, aa: false, answers: [], authorities: [] },
    ],
    [
      "another class",
      query("web.twill", "A", { questions: [{ name: "web.twill", type: "A", class: "CH" }] }),
      { rcode: 5, aa: false, answers: [], authorities: [] },
    ],
    [
      "an update",
      query("web.twill", "A", { flags: 5 << 11 }),
      { rcode: 4, aa: false, answers: [], authorities: [] },
    ],
  ])("answers a question for %s", (_what, message, expected) => {
    expect(show(answerQuery(message, ZONE, UDP))).toEqual(expected);
  });

  it("refuses an asker who is to learn nothing", () => {
    const expected = { rcode: 5, aa: false, answers: [], authorities: [] };
    for (const name of ["web.twill", "nobody.twill", "twill", "example.com"])
      expect(show(answerQuery(query(name), null, UDP))).toEqual(expected);
  });

  it("repeats id and question, says that it is an answer, and for how long it holds", () => {
    const message = query("wEb.Twill");
    const answer = answerQuery(message, ZONE, UDP);
    expect(answer?.subarray(12, message.length)).toEqual(message.subarray(12));
    expect(decode(answer ?? Buffer.alloc(0))).toMatchObject({
      id: 4711,
      type: "response",
      flag_rd: true,
      flag_ra: false,
    });
    expect(decode(answer ?? Buffer.alloc(0)).answers?.[0]).toMatchObject({
      name: "wEb.Twill",
      ttl: 5,
      class: "IN",
    });
  });

  it.each([
    ["a missing name", query("nobody.twill"), "twill"],
    ["another type of a reverse name", query(REVERSE, "AAAA"), REVERSE],
  ])("says how long %s is missing", (_what, message, zone) => {
    const soa = decode(answerQuery(message, ZONE, UDP) ?? Buffer.alloc(0)).authorities?.[0];
    expect(soa).toMatchObject({ name: zone, type: "SOA", ttl: 5, data: { minimum: 5 } });
  });

  it("repeats a reverse name as it was written, and says for how long its owner holds", () => {
    const name = "3.5.244.10.In-Addr.ARPA";
    const { answers } = decode(answerQuery(query(name, "PTR"), ZONE, UDP) ?? Buffer.alloc(0));
    expect(answers).toMatchObject([{ type: "PTR", name, ttl: 5, class: "IN", data: "shop_db_1.twill" }]);
  });

  it("answers with the longest of owners in one datagram", () => {
    const owner = Array.from({ length: 45 }, () => "abc").join(".");
    const zone = { ...ZONE, name: "z".repeat(63), findOwner: () => owner };
    const expected = { rcode: 0, aa: true, answers: [`${owner}.${zone.name}`], authorities: [] };
    expect(show(answerQuery(query("255.255.244.10.in-addr.arpa", "PTR"), zone, UDP))).toEqual(expected);
  });

  it("gives each asker another address first", () => {
    const first = [0, 1, 2, 3].map((rotation) =>
      show(answerQuery(query("web.twill"), ZONE, { ...UDP, rotation })),
    );
    expect(first).toMatchObject([
      { answers: ["10.244.5.2", "10.244.7.9", "10.244.9.4"] },
      { answers: ["10.244.7.9", "10.244.9.4", "10.244.5.2"] },
      { answers: ["10.244.9.4", "10.244.5.2", "10.244.7.9"] },
      { answers: ["10.244.5.2", "10.244.7.9", "10.244.9.4"] },
    ]);
  });

  it("gives none of too many addresses over UDP, says so, and gives all over TCP", () => {
    const cut = { rcode: 0, aa: true, tc: true, answers: [], authorities: [] };
    for (const more of [{}, withEdns(100), withEdns(1232), withEdns(65_535)])
      expect(show(answerQuery(query("many.twill", "A", more), ZONE, UDP))).toEqual(cut);
    const whole = answerQuery(query("many.twill"), ZONE, TCP);
    expect(show(whole)).toMatchObject({ answers: NAMES.get("many") });
  });

  it("fills a datagram as far as the asker can take it", () => {
    const zoneOf = (count: number) => ({
      ...ZONE,
      find: () => (NAMES.get("many") ?? []).slice(0, count).map(addressOf),
    });
    // Header 12, question 14, and 24 for each address: 20 fit in 512 bytes. With EDNS, 11 more of 1232: 49 do.
    for (const [more, most] of [
      [{}, 20],
      [withEdns(4096), 49],
    ] as const) {
      const answers = [most, most + 1].map((count) =>
        answerQuery(query("so.twill", "A", more), zoneOf(count), UDP),
      );
      expect(answers.map((one) => one !== null && decode(one).flag_tc)).toEqual([false, true]);
    }
  });

  it("fills no answer over TCP beyond what its length can say", () => {
    const every = Array.from({ length: 9_000 }, (_, i) => addressOf("10.244.0.0").plus(i));
    const answer = answerQuery(
      query("every.twill", "A", withEdns(1232)),
      { ...ZONE, find: () => every },
      TCP,
    );
    expect(answer?.length).toBeLessThanOrEqual(65_535);
    expect(answer?.length).toBeGreaterThan(65_400);
  });

  it("has EDNS in the answer when it is in the question only", () => {
    const additionals = (more: Partial<Packet>): unknown =>
      decode(answerQuery(query("web.twill", "A", more), ZONE, UDP) ?? Buffer.alloc(0)).additionals;
    expect(additionals({})).toEqual([]);
    expect(additionals(withEdns(4096))).toMatchObject([
      { type: "OPT", udpPayloadSize: 1232, ednsVersion: 0 },
    ]);
  });

  /** The bytes of a name's labels, and what comes after. */
  const raw = (labels: readonly Buffer[], counts: readonly number[], end = "0000010001"): Buffer => {
    const header = Buffer.from([0, 1, 1, 0, ...counts.flatMap((count) => [count >> 8, count & 255])]);
    const name = labels.flatMap((label) => [Buffer.from([label.length]), label]);
    return Buffer.concat([header, ...name, Buffer.from(end, "hex")]);
  };
  const twill = Buffer.from("twill");
  it.each([
    ["nothing", Buffer.alloc(0)],
    ["half a header", Buffer.alloc(11)],
    ["an answer", query("web.twill", "A", { type: "response" })],
    ["our own answer", answerQuery(query("web.twill"), ZONE, UDP) ?? Buffer.alloc(0)],
    ["no question", raw([], [0, 0, 0, 0], "")],
    [
      "two questions",
      query("web.twill", "A", {
        questions: [
          { name: "web.twill", type: "A" },
          { name: "a.twill", type: "A" },
        ],
      }),
    ],
    [
      "records that a question does not have",
      query("web.twill", "A", { authorities: [{ type: "A", name: "web.twill", data: "10.244.5.2" }] }),
    ],
    ["65,535 questions", raw([twill], [65_535, 0, 0, 0])],
    ["answers that are not there", raw([twill], [1, 65_535, 0, 0])],
    ["additionals that are not there", raw([twill], [1, 0, 0, 1])],
    ["a name that ends early", raw([twill], [1, 0, 0, 0]).subarray(0, 15)],
    ["a name that points to itself", raw([], [1, 0, 0, 0], "c00c00010001")],
    ["a name that points into the header", raw([], [1, 0, 0, 0], "c00000010001")],
    [
      "a name of more than 255 bytes",
      raw(
        Array.from({ length: 8 }, () => Buffer.alloc(63, 97)),
        [1, 0, 0, 0],
      ),
    ],
    ["a label that is no text", raw([Buffer.from([0xff]), twill], [1, 0, 0, 0])],
    ["no type", raw([twill], [1, 0, 0, 0], "00")],
    ["more bytes than a question has", Buffer.concat([query("web.twill"), Buffer.alloc(MAX_QUERY_BYTES)])],
  ])("does not answer %s", (_what, message) => expect(answerQuery(message, ZONE, UDP)).toBeNull());

  it("takes a label with a dot in it for what it is: the same question comes back, or none", () => {
    expect(answerQuery(raw([Buffer.from("web.twill")], [1, 0, 0, 0]), ZONE, UDP)).toBeNull();
  });

  it("never throws, and answers with the question's bytes, whatever it is given", () => {
    const good = query("web.twill", "A", withEdns(1232));
    const bent = fc
      .array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const message = Buffer.from(good);
        for (const [at, byte] of changes) message.writeUInt8(byte, at);
        return message;
      });
    const any = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
    const behindHeader = any.map((bytes) => Buffer.concat([good.subarray(0, 12), bytes]));
    fc.assert(
      fc.property(fc.oneof(bent, any, behindHeader), fc.constantFrom(UDP, TCP), (message, way) => {
        const answer = answerQuery(message, ZONE, way);
        if (answer === null) return;
        expect(answer.readUInt16BE(0)).toBe(message.readUInt16BE(0));
        expect(answer.readUInt16BE(2) & 0x8000).toBe(0x8000);
        const { name = "" } = decode(answer).questions?.[0] ?? {};
        const questionBytes = Buffer.byteLength(name) + (name === "." ? 5 : 6);
        expect(answer.subarray(12, 12 + questionBytes)).toEqual(message.subarray(12, 12 + questionBytes));
        if (way === UDP) expect(answer.length).toBeLessThanOrEqual(1232);
      }),
      { numRuns: 20_000 },
    );
  });
});
