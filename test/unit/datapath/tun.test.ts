import { describe, expect, it } from "vitest";
import { openTun } from "../../../src/datapath/tun.ts";

describe("openTun", () => {
  it.each(["", "sixteen-letters-", "tun%d", "a/b", "a b", "a:b", ".", "..", "-x", "tün", "a\n"])(
    "refuses %j, which is no device name",
    (name) => {
      expect(() => openTun(name, { isPersistent: false, queues: 1, offload: "off" })).toThrow(RangeError);
    },
  );

  it.each([0, -1, 1.5, 17, Number.NaN])("refuses %d queues", (queues) => {
    expect(() => openTun("tw0", { isPersistent: false, queues, offload: "off" })).toThrow(
      `Cannot open a TUN: it has 1 to 16 queues, got ${queues}`,
    );
  });
});
