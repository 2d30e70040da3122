import { describe, expect, it } from "vitest";
import { NamesBuilder } from "../../../../src/names/record/host-names.ts";
import type { HostNames } from "../../../../src/names/record/host-names.ts";
import {
  MAX_RECORD_BYTES,
  formatNamesRecord,
  namesKey,
  parseNamesKey,
  parseNamesRecord,
} from "../../../../src/names/record/names-record.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const PREFIX = "/coreos.com/network";
const SUBNET = prefixOf("10.244.5.0/24");

function namesOf(entries: Readonly<Record<string, readonly string[]>>): HostNames {
  const builder = new NamesBuilder();
  for (const [name, addresses] of Object.entries(entries))
    for (const address of addresses) builder.add(name, addressOf(address));
  return builder.build();
}

function read(text: string): { names: unknown; leftOut: string | null } | string {
  const result = parseNamesRecord(Buffer.from(text), SUBNET);
  return result.ok ? { names: show(result.names), leftOut: result.leftOut } : result.reason;
}

function show(names: HostNames): Record<string, string[]> {
  return Object.fromEntries([...names].map(([name, addresses]) => [name, addresses.map(String)]));
}

describe("namesKey", () => {
  it("is read back, and stands beside the leases", () => {
    const key = namesKey(PREFIX, SUBNET);
    expect(key).toBe("/coreos.com/network/names/10.244.5.0-24");
    expect(parseNamesKey(PREFIX, key)?.toString()).toBe("10.244.5.0/24");
  });

  it.each([
    "10.244.5.1-24",
    "10.244.5.0-024",
    "10.244.5.0-31",
    "10.244.5.0-24/x",
    "web",
    "",
    "10.244.5.0-24\n",
  ])("is not %j", (name) => expect(parseNamesKey(PREFIX, `${PREFIX}/names/${name}`)).toBeNull());

  it("is not a key of another prefix", () => {
    expect(parseNamesKey(PREFIX, "/coreos.com/network/subnets/10.244.5.0-24")).toBeNull();
  });
});

describe("formatNamesRecord", () => {
  it("has names and addresses in their order, each once, whatever order they came in", () => {
    const names = namesOf({ web: ["10.244.5.30", "10.244.5.4", "10.244.5.30"], "db.shop": ["10.244.5.2"] });
    expect(formatNamesRecord(names)).toEqual({
      text: '{"names":{"db.shop":["10.244.5.2"],"web":["10.244.5.4","10.244.5.30"]}}',
      leftOut: 0,
    });
  });

  it("leaves out what there is no room for, and can be read", () => {
    const many = Array.from({ length: 3_000 }, (_, i) => [`container-${1e6 + i}`, ["10.244.5.2"]] as const);
    const { text, leftOut } = formatNamesRecord(namesOf(Object.fromEntries(many)));
    expect(text.length).toBeLessThanOrEqual(MAX_RECORD_BYTES);
    const result = parseNamesRecord(Buffer.from(text), SUBNET);
    expect(result.ok && result.names.size + leftOut).toBe(3_000);
    expect(leftOut).toBeGreaterThan(0);
    expect(MAX_RECORD_BYTES - text.length).toBeLessThan(60); // not a name more would fit
  });
});

describe("parseNamesRecord", () => {
  it("reads what was written", () => {
    const text = '{"names":{"db":["10.244.5.2"],"web":["10.244.5.3","10.244.5.4"]}}';
    expect(read(text)).toEqual({
      names: { db: ["10.244.5.2"], web: ["10.244.5.3", "10.244.5.4"] },
      leftOut: null,
    });
  });

  it("ignores members that a later version may have", () => {
    expect(read('{"names":{},"version":2}')).toEqual({ names: {}, leftOut: null });
  });

  it.each([
    ["", "no JSON object"],
    ["[]", "no JSON object"],
    ["null", "no JSON object"],
    ['{"names":[]}', "no JSON object"],
    ['{"names":"x"}', "no JSON object"],
    [`{"names":{"a":["${" ".repeat(MAX_RECORD_BYTES)}"]}}`, "more than 65536"],
  ])("rejects %.20s", (text, reason) => expect(read(text)).toContain(reason));

  it.each([
    [
      "an address of another host",
      '{"names":{"web":["10.244.6.2"]}}',
      '"10.244.6.2" of web is no address of',
    ],
    ["an address of the internet", '{"names":{"web":["198.51.100.7"]}}', "198.51.100.7"],
    ["an address that is none", '{"names":{"web":["10.244.5"]}}', '"10.244.5" of web'],
    ["an address that is no text", '{"names":{"web":[178521346]}}', "178521346 of web"],
    ["no list", '{"names":{"web":"10.244.5.2"}}', "no list"],
    ["a name that is none", '{"names":{"web\\u001b[2J":["10.244.5.2"]}}', 'name "web\\u001b[2J"'],
  ])("leaves out %s, says so, and takes the rest", (_what, text, reason) => {
    const around = text.replace('{"names":{', '{"names":{"before":["10.244.5.8"],');
    const result = read(around.replace("}}", ',"after":["10.244.5.9"]}}'));
    expect(result).toMatchObject({ names: { before: ["10.244.5.8"], after: ["10.244.5.9"] } });
    expect(typeof result === "string" ? "" : result.leftOut).toContain(reason);
  });

  it("takes names that objects have by themselves for names like any other", () => {
    const text = '{"names":{"__proto__":["10.244.5.2"],"constructor":["10.244.5.3"]}}';
    const result = parseNamesRecord(Buffer.from(text), SUBNET);
    expect(result.ok && [...result.names.keys()]).toEqual(["__proto__", "constructor"]);
  });
});
