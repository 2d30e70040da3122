import { describe, expect, it } from "vitest";
import { parseFdb, planFdb } from "../../../src/kernel/fdb.ts";
import type { FdbEntry } from "../../../src/kernel/fdb.ts";
import { addressOf } from "../../support/ipv4.ts";
import { macOf } from "../../support/mac.ts";

/** From `bridge -j fdb show dev flannel.1` of iproute2 6.1, with one entry of a bridge's table. */
const FDB_LINES = [
  '{"mac":"02:00:00:00:00:01","flags":[],"master":"br0","state":"permanent"}',
  '{"mac":"02:00:00:00:00:06","dst":"192.0.2.6","flags":["self"],"state":""}',
  '{"mac":"02:00:00:00:00:05","dst":"192.0.2.5","flags":["self"],"state":"static"}',
  '{"mac":"00:00:00:00:00:00","dst":"192.0.2.4","flags":["self"],"state":"permanent"}',
  '{"mac":"00:00:00:00:00:00","dst":"192.0.2.5","flags":["self"],"state":"permanent"}',
  '{"mac":"02:00:00:00:00:03","dst":"192.0.2.3","port":9999,"vni":7,"viaIf":"u0","flags":["self"],"state":"permanent"}',
  '{"mac":"02:00:00:00:00:04","dst":"2001:db8::4","flags":["self"],"state":"permanent"}',
  '{"mac":"02:00:00:00:00:02","dst":"192.0.2.2","flags":["self"],"state":"permanent"}',
];
const jsonOf = (lines: readonly string[]): unknown => JSON.parse(`[${lines.join(",")}]`);

const entry = (mac: string, underlayIp: string): FdbEntry => ({
  mac: macOf(mac),
  underlayIp: addressOf(underlayIp),
});
const TWO = entry("02:00:00:00:00:02", "192.0.2.2");

describe("parseFdb", () => {
  it("reads what bridge prints of the device's own table, one for each destination", () => {
    const isPermanent = { isPermanent: true, hasExtras: false };
    const isLearnt = { isPermanent: false, hasExtras: false };
    expect(parseFdb(jsonOf(FDB_LINES))).toEqual([
      { ...entry("02:00:00:00:00:06", "192.0.2.6"), ...isLearnt },
      { ...entry("02:00:00:00:00:05", "192.0.2.5"), ...isLearnt },
      { ...entry("00:00:00:00:00:00", "192.0.2.4"), ...isPermanent },
      { ...entry("00:00:00:00:00:00", "192.0.2.5"), ...isPermanent },
      { ...entry("02:00:00:00:00:03", "192.0.2.3"), isPermanent: true, hasExtras: true },
      { mac: macOf("02:00:00:00:00:04"), underlayIp: null, ...isPermanent },
      { ...TWO, ...isPermanent },
    ]);
  });

  it.each([[null], [{}], [[null, {}, { mac: "x", flags: ["self"] }]]])("reads nothing from %j", (json) => {
    expect(parseFdb(json)).toEqual([]);
  });
});

describe("planFdb", () => {
  const plan = (wanted: FdbEntry[], present: readonly string[]): string[] =>
    planFdb("flannel.1", wanted, parseFdb(jsonOf(present))).map((words) => words.join(" "));
  const make = "fdb replace 02:00:00:00:00:02 dev flannel.1 self permanent dst 192.0.2.2";
  const two = (members: string): string => `{"mac":"02:00:00:00:00:02","flags":["self"],${members}}`;

  it("has nothing to do when all is there", () => {
    expect(plan([TWO], [two('"dst":"192.0.2.2","state":"permanent"')])).toEqual([]);
  });

  it.each([
    ["is missing", []],
    ["leads elsewhere", [two('"dst":"192.0.2.9","state":"permanent"')]],
    ["leads nowhere", [two('"state":"permanent"')]],
    ["was learnt", [two('"dst":"192.0.2.2","state":""')]],
    ["names a port", [two('"dst":"192.0.2.2","port":9999,"state":"permanent"')]],
    ["names a device", [two('"dst":"192.0.2.2","viaIf":"u0","state":"permanent"')]],
    ["names a VNI", [two('"dst":"192.0.2.2","vni":7,"state":"permanent"')]],
    [
      "leads to two",
      [two('"dst":"192.0.2.2","state":"permanent"'), two('"dst":"192.0.2.3","state":"permanent"')],
    ],
  ])("makes an entry that %s", (_what, present) => {
    expect(plan([TWO], present)).toEqual([make]);
  });

  it("removes each permanent MAC that is not wanted, once, and leaves the others", () => {
    expect(plan([TWO], FDB_LINES)).toEqual([
      "fdb del 00:00:00:00:00:00 dev flannel.1 self",
      "fdb del 02:00:00:00:00:03 dev flannel.1 self",
      "fdb del 02:00:00:00:00:04 dev flannel.1 self",
    ]);
  });
});
