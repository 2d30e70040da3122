import { describe, expect, it } from "vitest";
import { orderOfRepeat, parseOtherProgram, planRows } from "../../../src/bench/bench-rows.ts";
import type { RowChoice } from "../../../src/bench/bench-rows.ts";

const ALL: RowChoice = { names: null, queues: null, flanneld: null, programs: [] };

function namesOf(choice: Partial<RowChoice>): string[] {
  return planRows({ ...ALL, ...choice }).map((row) => row.name);
}

describe("planRows", () => {
  it("measures every row there is, flannel and other programs only when their paths are given", () => {
    const usual = ["routes", "native", "native-no-offload", "dgram"];
    expect(namesOf({})).toEqual(usual);
    const programs = [{ name: "unchecked", path: "/srv/other/bin/twill" }];
    expect(namesOf({ programs, flanneld: "/srv/flanneld" })).toEqual([...usual, "unchecked", "flannel"]);
  });

  it("gives each agent its flags, the queues to the native engine only", () => {
    const flags = planRows({ ...ALL, queues: 2 }).map((row) => row.flags);
    expect(flags).toEqual([
      [],
      ["--engine=native", "--queues=2"],
      ["--engine=native", "--offload=off", "--queues=2"],
      ["--engine=dgram"],
    ]);
  });

  it("takes the rows that are named, in that order, once each", () => {
    expect(namesOf({ names: ["dgram", "routes", "dgram"] })).toEqual(["dgram", "routes"]);
  });

  it.each([
    [{ names: ["vxlan"] }, '--rows "vxlan": the rows are routes, native, native-no-offload, dgram'],
    [{ names: ["flannel"] }, "that one needs --flanneld"],
    [{ programs: [{ name: "dgram", path: "/x" }] }, "--program dgram: there is a row of that name"],
  ])("refuses %j", (choice, message) => {
    expect(() => namesOf(choice)).toThrow(
      expect.objectContaining({
        code: "ERR_OPTION_INVALID",
        message: expect.stringContaining(message) as string,
      }),
    );
  });
});

describe("parseOtherProgram", () => {
  it("splits at the first equals sign", () => {
    expect(parseOtherProgram("a.b-1=/srv/x=y")).toEqual({ name: "a.b-1", path: "/srv/x=y" });
  });

  it.each(["", "/srv/x", "a=", "=/srv/x", "a=srv/x", "A=/srv/x", "-a=/srv/x", `${"a".repeat(25)}=/x`])(
    "refuses %j",
    (text) => {
      expect(() => parseOtherProgram(text)).toThrow(expect.objectContaining({ code: "ERR_OPTION_INVALID" }));
    },
  );
});

describe("orderOfRepeat", () => {
  it("turns round with every repeat", () => {
    const orders = [0, 1, 2].map((repeat) => orderOfRepeat(["a", "b", "c"], repeat).join(""));
    expect(orders).toEqual(["abc", "cba", "abc"]);
  });
});
