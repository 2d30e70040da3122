import { describe, expect, it } from "vitest";
import { orderOfRepeat, parseOtherProgram, planRows } from "../../../src/bench/bench-rows.ts";
import type { RowChoice } from "../../../src/bench/bench-rows.ts";

const ALL: RowChoice = { names: null, queues: null, flanneld: null, hasKernelVxlan: true, programs: [] };

function namesOf(choice: Partial<RowChoice>): string[] {
  return planRows({ ...ALL, ...choice }).map((row) => row.name);
}

describe("planRows", () => {
  it("measures every row there is, flannel and other programs only when their paths are given", () => {
    const usual = [
      ...["routes", "flannel-host-gw", "host-gw", "flannel-vxlan", "vxlan-kernel"],
      ...["native", "vxlan", "native-no-offload", "dgram"],
    ];
    expect(namesOf({})).toEqual(usual);
    const programs = [{ name: "unchecked", path: "/srv/other/bin/twill" }];
    expect(namesOf({ programs, flanneld: "/srv/flanneld" })).toEqual([...usual, "unchecked", "flannel"]);
  });

  it("gives each agent its backend and flags, the queues to the native engine only", () => {
    const agents = planRows({ ...ALL, queues: 2 }).filter((row) => row.kind === "agent");
    expect(agents.map(({ name, backend, flags }) => [name, backend, flags.join(" ")])).toEqual([
      ["host-gw", "host-gw", ""],
      ["vxlan-kernel", "vxlan", "--datapath=kernel"],
      ["native", "udp", "--engine=native --queues=2"],
      ["vxlan", "vxlan", "--engine=native --queues=2"],
      ["native-no-offload", "udp", "--engine=native --queues=2 --offload=off"],
      ["dgram", "udp", "--engine=dgram"],
    ]);
  });

  it("compares each with the row that does the same work in another way", () => {
    const references = planRows(ALL).flatMap(({ name, reference }) =>
      reference === null ? [] : [[name, reference]],
    );
    expect(references).toEqual([
      ["host-gw", "flannel-host-gw"],
      ["vxlan-kernel", "flannel-vxlan"],
      ["vxlan", "native"],
    ]);
  });

  it("leaves out what needs vxlan devices where the kernel makes none, but not vxlan in user space", () => {
    const names = namesOf({ hasKernelVxlan: false });
    expect(names).toEqual([
      ...["routes", "flannel-host-gw", "host-gw"],
      ...["native", "vxlan", "native-no-offload", "dgram"],
    ]);
  });

  it("takes the rows that are named, in that order, once each", () => {
    expect(namesOf({ names: ["dgram", "routes", "dgram"] })).toEqual(["dgram", "routes"]);
  });

  it.each([
    [
      { names: ["wireguard"] },
      '--rows "wireguard": the rows are routes, flannel-host-gw, host-gw, flannel-vxlan, vxlan-kernel, native',
    ],
    [
      { names: ["vxlan-kernel"], hasKernelVxlan: false },
      "that one needs vxlan devices, which this kernel does not make",
    ],
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
