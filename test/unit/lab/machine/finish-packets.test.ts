import { describe, expect, it } from "vitest";
import { mixesDataPaths } from "../../../../src/lab/machine/finish-packets.ts";

const KERNEL = ["--ip-masq", "--datapath=kernel"];

describe("mixesDataPaths", () => {
  it.each([
    ["vxlan", [KERNEL, []], true],
    ["vxlan", [KERNEL, KERNEL], false],
    ["vxlan", [[], ["--engine=dgram"]], false],
    ["udp", [KERNEL, []], false],
  ])("of %s with the flags %j is %s", (type, flags, isMixed) =>
    expect(mixesDataPaths(type, flags)).toBe(isMixed),
  );
});
