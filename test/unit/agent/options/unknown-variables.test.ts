import { describe, expect, it } from "vitest";
import { findUnknownVariables } from "../../../../src/agent/options/unknown-variables.ts";

const find = (...names: string[]): string[] =>
  findUnknownVariables(Object.fromEntries(names.map((name) => [name, "secret"])));

describe("findUnknownVariables", () => {
  it.each([
    ["FLANNELD_ETCDENDPOINTS", "FLANNELD_ETCDENDPOINTS, did you mean FLANNELD_ETCD_ENDPOINTS?"],
    ["TWILL_ETCD_ENDPOINTS", "TWILL_ETCD_ENDPOINTS, did you mean FLANNELD_ETCD_ENDPOINTS?"],
    ["FLANNELD_RUN_DIR", "FLANNELD_RUN_DIR, did you mean TWILL_RUN_DIR?"],
    ["FLANNELD_SOMETHING_ELSE", "FLANNELD_SOMETHING_ELSE"],
    ["TWILL_X\n", String.raw`TWILL_X\u000a`],
  ])("names %j and the nearest that there is, never the value", (name, told) => {
    expect(find(name)).toEqual([told]);
  });

  it.each([
    "FLANNELD_ETCD_ENDPOINTS",
    "FLANNELD_KUBE_API_URL",
    "FLANNELD_VERSION",
    "TWILL_LAB_TOKEN",
    "HOME",
  ])("says nothing of %s", (name) => expect(find(name)).toEqual([]));

  it("is not led astray by names that objects have", () => {
    expect(find("FLANNELD_CONSTRUCTOR", "TWILL___PROTO__")).toHaveLength(2);
  });

  it("names ten and counts the others", () => {
    const told = find(...Array.from({ length: 25 }, (_, i) => `TWILL_NOT_AN_OPTION_${i}`));
    expect(told).toHaveLength(11);
    expect(told.at(-1)).toBe("15 more");
  });
});
