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
import { Ipv4Address } from "../../../../src/net/ipv4.ts";
import { addressOf, prefixOf } from "../../../support/ipv4.ts";

const PREFIX = "/coreos.com/network";
const SUBNET = prefixOf("10.244.5.0/24");

function namesOf(entries: Readonly<Record<string, readonly string[]>>): HostNames {
  const builder = new NamesBuilder();
  for (const [name, addresses] of Object.entries(entries))
    for (const address of addresses) builder.add(name, addressOf(address));
  return builder.build();
}

function read(text: string): { names: unknown; owners: unknown; leftOut: string | null } | string {
  const result = parseNamesRecord(Buffer.from(text), SUBNET);
  return result.ok ? { ...show(result.names), leftOut: result.leftOut } : result.reason;
}

function show({ addresses, owners }: HostNames): { names: unknown; owners: unknown } {
  return {
    names: Object.fromEntries([...addresses].map(([name, held]) => [name, held.map(String)])),
    owners: Object.fromEntries(
      [...owners].map(([value, owner]) => [new Ipv4Address(value).toString(), owner]),
    ),
  };
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
      text: '{"names":{"db.shop":["10.244.5.2"],"web":["10.244.5.4","10.244.5.30"]},"owners":{}}',
      leftOutNames: 0,
      leftOutOwners: 0,
    });
  });

  it("has the owners of addresses behind the names, in the order of the addresses", () => {
    const builder = new NamesBuilder();
    builder.addOwner("web", addressOf("10.244.5.30"));
    builder.add("db", addressOf("10.244.5.4"));
    builder.addOwner("shop_db_1", addressOf("10.244.5.4"));
    const { text } = formatNamesRecord(builder.build());
    expect(text).toBe(
      '{"names":{"db":["10.244.5.4"],"shop_db_1":["10.244.5.4"],"web":["10.244.5.30"]},' +
        '"owners":{"10.244.5.4":"shop_db_1","10.244.5.30":"web"}}',
    );
    expect(read(text)).toMatchObject({
      owners: { "10.244.5.4": "shop_db_1", "10.244.5.30": "web" },
      leftOut: null,
    });
  });

  it("leaves out owners rather than names", () => {
    const builder = new NamesBuilder();
    const long = `${"x".repeat(60)}.${"y".repeat(60)}`;
    for (let i = 0; i < 254; i++) builder.addOwner(`web-${i}.${long}`, SUBNET.address.plus(i + 1));
    for (let i = 0; i < 130; i++) builder.add(`service-${i}`, SUBNET.address.plus(1));
    const { text, leftOutNames, leftOutOwners } = formatNamesRecord(builder.build());
    expect(text.length).toBeLessThanOrEqual(MAX_RECORD_BYTES);
    const result = parseNamesRecord(Buffer.from(text), SUBNET);
    expect(result).toMatchObject({ ok: true, leftOut: null });
    expect(result.ok && result.names.addresses.size).toBe(384);
    expect(leftOutNames).toBe(0);
    expect(result.ok && result.names.owners.size + leftOutOwners).toBe(254);
    expect(leftOutOwners).toBeGreaterThan(0);
  });

  it("leaves out what there is no room for, and can be read", () => {
    const many = Array.from({ length: 3_000 }, (_, i) => [`container-${1e6 + i}`, ["10.244.5.2"]] as const);
    const { text, leftOutNames, leftOutOwners } = formatNamesRecord(namesOf(Object.fromEntries(many)));
    expect(text.length).toBeLessThanOrEqual(MAX_RECORD_BYTES);
    const result = parseNamesRecord(Buffer.from(text), SUBNET);
    expect(result.ok && result.names.addresses.size + leftOutNames).toBe(3_000);
    expect(leftOutNames).toBeGreaterThan(0);
    expect(leftOutOwners).toBe(0);
    expect(MAX_RECORD_BYTES - text.length).toBeLessThan(60); // not a name more would fit
  });
});

describe("parseNamesRecord", () => {
  it("reads what was written", () => {
    const text =
      '{"names":{"db":["10.244.5.2"],"web":["10.244.5.3","10.244.5.4"]},"owners":{"10.244.5.2":"db"}}';
    expect(read(text)).toEqual({
      names: { db: ["10.244.5.2"], web: ["10.244.5.3", "10.244.5.4"] },
      owners: { "10.244.5.2": "db" },
      leftOut: null,
    });
  });

  it.each(['{"names":{},"version":2}', '{"names":{},"owners":[]}'])(
    "ignores members that another version may have: %s",
    (text) => expect(read(text)).toEqual({ names: {}, owners: {}, leftOut: null }),
  );

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

  it.each([
    ["an address of another host", '"10.244.6.2":"web"', 'owner "web" of "10.244.6.2"'],
    ["an address that the name does not have", '"10.244.5.7":"web"', 'owner "web" of "10.244.5.7"'],
    ["a name that is not there", '"10.244.5.2":"other"', 'owner "other" of "10.244.5.2"'],
    ["a name that is none", '"10.244.5.2":"web\\u001b[2J"', 'owner "web\\u001b[2J"'],
    ["a name that is no text", '"10.244.5.2":["web"]', 'owner [\\"web\\"] of "10.244.5.2"'],
    ["an address that is none", '"\\u001b[2J":"web"', 'of "\\u001b[2J", which it does not have'],
  ])("leaves out an owner with %s, says so, and takes the rest", (_what, owner, reason) => {
    const names = '{"before":["10.244.5.8"],"web":["10.244.5.2"],"after":["10.244.5.9"]}';
    const result = read(`{"names":${names},"owners":{"10.244.5.8":"before",${owner},"10.244.5.9":"after"}}`);
    expect(result).toMatchObject({ owners: { "10.244.5.8": "before", "10.244.5.9": "after" } });
    expect(Object.keys(typeof result === "string" ? {} : (result.owners as object))).toHaveLength(2);
    expect(typeof result === "string" ? "" : result.leftOut).toContain(reason);
  });

  it("takes names that objects have by themselves for names like any other", () => {
    const text = '{"names":{"__proto__":["10.244.5.2"],"constructor":["10.244.5.3"]}}';
    const result = parseNamesRecord(Buffer.from(text), SUBNET);
    expect(result.ok && [...result.names.addresses.keys()]).toEqual(["__proto__", "constructor"]);
  });
});
