import { describe, expect, it } from "vitest";
import { openTun } from "../../../src/datapath/tun.ts";

describe("openTun", () => {
  it.each(["", "sixteen-letters-", "tun%d", "a/b", "a b", "a:b", ".", "..", "-x", "tün", "a\n"])(
    "refuses %j, which is no device name",
    (name) => {
      expect(() => openTun(name, { isPersistent: false })).toThrow(RangeError);
    },
  );
});
